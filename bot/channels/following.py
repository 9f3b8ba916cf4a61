"""Brings stored replies to the sockets of this edge, whichever edge stored them: in order, and each once.

An edge remembers of each conversation that it has a socket of which reply it sent last, and looks in the database for
later ones: when it is told of one, and again and again. Touches the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from actions.database import reading
from bot.outbox import Outbox, Outgoing
from bot.tables import replies
from bot.watch import Watch

AT_ONCE = 500  # conversations in one query

Emit = Callable[[str, Outgoing], Awaitable[None]]


class Following:
    """The conversations that have sockets here: `emit` sends to those of one, `has_sockets` tells if it has any."""

    def __init__(self, engine: Engine, emit: Emit, has_sockets: Callable[[str], bool]) -> None:
        self._engine = engine
        self._outbox = Outbox(engine)
        self._emit = emit
        self._has_sockets = has_sockets
        self._sent: dict[str, int] = {}  # by conversation, the last reply's number
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._watch = Watch("following", self._look)

    def start(self) -> None:
        """Begin to look."""
        self._watch.start()

    async def stop(self) -> None:
        """Stop looking."""
        await self._watch.stop()

    def ring(self, conversation: str) -> None:
        """Say that a conversation, which may have sockets here, has a new reply."""
        if conversation in self._sent:
            self._watch.ring()

    def begin(self, conversation: str, *, after: int) -> None:
        """Follow a conversation, whose socket knows all up to this number."""
        self._sent.setdefault(conversation, after)

    async def catch_up(self, conversation: str) -> None:
        """Send what the conversation's sockets here have not been sent."""
        turn = self._turns.setdefault(conversation, asyncio.Lock())
        async with turn:
            if conversation not in self._sent:
                return
            for reply in await asyncio.to_thread(self._outbox.after, conversation, self._sent[conversation]):
                await self._emit(conversation, reply)
                self._sent[conversation] = reply.number

    async def _look(self) -> bool:
        for conversation in [each for each in self._sent if not self._has_sockets(each)]:
            del self._sent[conversation]
        behind = await asyncio.to_thread(self._behind, dict(self._sent))
        for conversation in behind:
            await self.catch_up(conversation)
        return bool(behind)

    def _behind(self, sent: dict[str, int]) -> list[str]:
        """Return the conversations that have later replies than those sent."""
        followed, behind = list(sent), []
        for start in range(0, len(followed), AT_ONCE):
            these = replies.c.conversation_id.in_(followed[start : start + AT_ONCE])
            last = select(replies.c.conversation_id, func.max(replies.c.number)).where(these)
            with reading(self._engine) as session:
                rows = session.execute(last.group_by(replies.c.conversation_id)).all()
            behind += [conversation for conversation, number in rows if number > sent[conversation]]
        return behind
