"""Kills a process at a statement to its database, to see what it leaves there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


def killed_at(statement: int, act: Callable[[], object]) -> bool:
    """Act in a process of its own that is killed at one of its statements; False if it came to its end before."""
    child = os.fork()
    if child == 0:
        left = statement

        def count(*_: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "before_cursor_execute", count)
        try:
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
