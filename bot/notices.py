"""What the edge itself says in a turn: that it takes a moment, that a human is asked, that something went wrong.

Each notice is said once a turn, however many edges see that it is due. Touches the database.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from bot.checks import TEXT_LIMIT
from bot.claims import is_free
from bot.conversations import BOT, hold
from bot.inbox import Stored, read_stored, state_of
from bot.outbox import Outbox
from bot.ownership import queue
from bot.rasa_client import Reply
from bot.tables import WAITING, conversations, messages, replies
from bot.texts import Texts
from nlu.markets import Markets, message_language

ONE_MOMENT = "one_moment"
RASA_DOWN = "rasa_down"  # also why the conversation is queued for a human
AT_ONCE = 50


class Notices:
    """The edge's own words, in the customer's language."""

    def __init__(self, engine: Engine, texts: Texts, markets: Markets) -> None:
        self._engine = engine
        self._texts = texts
        self._markets = markets

    def overdue(self, name: str, *, begun_before: datetime) -> list[Stored]:
        """Return messages that began to wait before then, that no edge works on, and whose turn has not said this."""
        other = messages.alias()
        oldest = select(func.min(other.c.number)).where(
            other.c.conversation_id == messages.c.conversation_id, other.c.state == WAITING
        )
        said = exists().where(*_said(name, messages.c.conversation_id, messages.c.began_at))
        waiting = (messages.c.state == WAITING, messages.c.number == oldest.scalar_subquery())
        query = select(messages.c.id).join(conversations, conversations.c.id == messages.c.conversation_id)
        due = query.where(*waiting, messages.c.began_at <= begun_before, is_free(datetime.now(UTC)), ~said)
        with reading(self._engine) as session:
            keys = session.execute(due.order_by(messages.c.began_at).limit(AT_ONCE)).scalars().all()
            return [read_stored(session, key) for key in keys]

    def say_once(self, message: Stored, name: str) -> bool:
        """Say a notice, unless this turn said it already or is no longer the bot's; tells whether it was said."""
        said = select(replies.c.id).where(*_said(name, message.conversation, message.began_at))
        with transaction(self._engine) as session:
            held = hold(session, message.conversation)
            if state_of(session, message.key) != WAITING or session.execute(said.limit(1)).first():
                return False
            if name == RASA_DOWN and held.status == BOT:
                queue(session, held.id, at=datetime.now(UTC), reason=RASA_DOWN, ticket=None)
            reply = self.reply(message, name, held.language)
            Outbox.say(session, held.id, author="edge", name=reply.name, language=reply.language, text=reply.text)
            return True

    def reply(self, message: Stored, name: str, language: str | None) -> Reply:
        """Return one of the edge's texts for a message; `language` is the conversation's, if it is known."""
        market = self._markets[message.market]
        spoken = message_language(
            "und", conversation=language, hint=message.language_hint, market=market, fallback=market.language
        )
        return Reply(name=f"edge_{name}", language=spoken, text=self._texts.edge(spoken, name, limit=TEXT_LIMIT))

    def language(self, message: Stored) -> str | None:
        """Return the language of a message's conversation, None while it is not known."""
        with reading(self._engine) as session:
            this = select(conversations.c.language).where(conversations.c.id == message.conversation)
            language: str | None = session.execute(this).scalar_one()
            return language


def _said(name: str, conversation: Any, began_at: Any) -> tuple[Any, ...]:
    """Return the conditions of a reply that said a notice in the turn that began then; columns or values."""
    return (
        replies.c.conversation_id == conversation,
        replies.c.name == f"edge_{name}",
        replies.c.created_at >= began_at,
    )
