"""What the tests of the path share: waiting for what another thread does, and a message without any edge."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy.engine import Engine

from bot.conversations import Conversations
from bot.inbox import Inbox, Incoming, Stored


def until(happened: Callable[[], bool], within: float = 15) -> None:
    """Wait until something another process or thread does has happened."""
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def store(engine: Engine, text: str, *, channel: str = "rest") -> Stored:
    """Store a message of the one customer here, without any edge."""
    conversation = Conversations(engine).open(channel, sender="anna", market="de-DE")
    incoming = Incoming(channel, conversation.id, conversation.id, text, text, "de-DE", None)
    return Inbox(engine).store(incoming)[0]
