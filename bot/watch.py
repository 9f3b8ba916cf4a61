"""Looks for work again and again: at once when rung, often while there is some, seldom while there is none.

This is how an edge learns of what other edges have stored, and of what a dead one has left. Touches nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

SHORTEST_PAUSE = 0.05  # seconds
LONGEST_PAUSE = 1.0


class Watch:
    """Calls `look`, which says whether it found something, until stopped; `longest` is its longest pause in seconds."""

    def __init__(self, name: str, look: Callable[[], Awaitable[bool]], *, longest: float = LONGEST_PAUSE) -> None:
        self._name = name
        self._look = look
        self._longest = longest
        self._rung = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop looking."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def ring(self) -> None:
        """Have it look now. Work that is just being stored by others may not be seen at once: it looks on shortly."""
        self._rung.set()

    async def _run(self) -> None:
        pause = SHORTEST_PAUSE
        while True:
            was_rung = self._rung.is_set()
            self._rung.clear()
            try:
                found = await self._look()
            except SQLAlchemyError as error:
                structlog.get_logger().error(f"{self._name}.database", error=type(error).__name__)
                found, pause = False, self._longest
            pause = SHORTEST_PAUSE if found or was_rung else min(pause * 2, self._longest)
            try:
                async with asyncio.timeout(pause):
                    await self._rung.wait()
            except TimeoutError:
                continue
