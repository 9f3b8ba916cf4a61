"""Where a benchmark's commands keep what they store: a folder of its own, so that nothing that serves is touched."""

from __future__ import annotations

import os
from pathlib import Path


def environment_in(folder: Path | str) -> dict[str, str]:
    """Return this process's variables with database, keys and releases in the folder."""
    return {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder}/polydesk.db",
        "POLYDESK_VAR": str(folder),
        "POLYDESK_RELEASES": f"{folder}/releases",
    }
