"""JSON for the socket.io server: what cannot be read is a `ValueError`, which closes nothing and harms nobody."""

from __future__ import annotations

import json
from typing import Any


def dumps(value: Any, **options: Any) -> str:
    """Write JSON."""
    return json.dumps(value, **options)


def loads(text: str) -> Any:
    """Read JSON; raises `ValueError`, also for nesting that the interpreter cannot follow."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
