"""Which releases learned from a person's transcripts. Reads the releases' folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from nlu.releases import LINEAGE


class _Lineage(msgspec.Struct, frozen=True):
    transcripts: frozenset[int] = frozenset()


def learned_from(folder: Path, transcripts: Iterable[int]) -> list[str]:
    """Return the releases, as NAME/NUMBER, that learned from any of the transcripts; unreadable ones say so."""
    wanted = frozenset(transcripts)
    if not wanted:
        return []
    names = []
    for path in sorted(folder.glob(f"*/[0-9]*/{LINEAGE}")):
        name = f"{path.parent.parent.name}/{path.parent.name}"
        try:
            lineage = msgspec.json.decode(path.read_bytes(), type=_Lineage)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            names.append(f"{name} (its lineage cannot be read)")
            continue
        if lineage.transcripts & wanted:
            names.append(name)
    return names
