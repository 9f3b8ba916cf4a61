"""The inbox: stores each message once, before anyone acknowledges it, and knows which ones wait for an answer.

Texts are stored exactly as they came. Touches the database.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import reading, transaction
from bot.conversations import AGENT, BOT, CLOSED, Conversation, hold, next_number
from bot.ownership import change
from bot.tables import LEFT_TO_AGENT, WAITING, conversations, messages

Kind = Literal["text", "button", "image", "voice", "location", "other"]
REFUSED = "refused"  # in an attachment: the name of the edge's text that says why the message is not taken


@dataclass(frozen=True)
class Incoming:
    """One checked message of a customer, whatever channel it came through.

    `account` names who hands out the message ids: a provider's account, or the conversation where each client makes up
    its own, so that nobody can name another's. `attachment` is what the provider tells about something that is no text;
    `text` is then its caption, or empty.
    """

    channel: str
    account: str
    conversation: str
    message_id: str
    text: str
    market: str
    language_hint: str | None
    kind: Kind = "text"
    attachment: dict[str, Any] | None = None


@dataclass(frozen=True)
class Stored:
    """A message in the inbox: `key` is the inbox's own, `number` its place in the conversation.

    `began_at` is when an edge first took it to have it answered.
    """

    key: int
    conversation: str
    channel: str
    message_id: str
    number: int
    text: str
    market: str
    language_hint: str | None
    kind: Kind
    attachment: dict[str, Any] | None
    state: str
    began_at: datetime | None


class Inbox:
    """Messages in the order in which they came."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def store(self, incoming: Incoming) -> tuple[Stored, bool]:
        """Store a message unless its id is known; returns it as stored, and whether it was new.

        What is written to a person's conversation is left to her; what is written to a closed one opens it again.
        """
        now = datetime.now(UTC)
        with transaction(self._engine) as session:
            held = hold(session, incoming.conversation)
            this = select(messages).filter_by(
                channel=incoming.channel, account=incoming.account, message_id=incoming.message_id
            )
            known = session.execute(this).one_or_none()
            if known:
                return _from_row(known), False
            number = next_number(session, held.id)
            _heard(session, held, now)
            session.execute(
                messages.insert().values(
                    conversation_id=incoming.conversation,
                    channel=incoming.channel,
                    account=incoming.account,
                    message_id=incoming.message_id,
                    number=number,
                    kind=incoming.kind,
                    text=incoming.text,
                    attachment=incoming.attachment,
                    market=incoming.market,
                    language_hint=incoming.language_hint,
                    state=LEFT_TO_AGENT if held.status == AGENT else WAITING,
                    received_at=now,
                    finished_at=now if held.status == AGENT else None,
                )
            )
            return _from_row(session.execute(this).one()), True

    def find(self, channel: str, *, account: str, message_id: str) -> Stored | None:
        """Return the message that an account gave this id, or None."""
        this = select(messages).filter_by(channel=channel, account=account, message_id=message_id)
        with reading(self._engine) as session:
            row = session.execute(this).one_or_none()
            return _from_row(row) if row else None

    def latest(self, conversation: str) -> Stored | None:
        """Return what the customer wrote last, or None."""
        this = select(messages).where(messages.c.conversation_id == conversation)
        with reading(self._engine) as session:
            row = session.execute(this.order_by(messages.c.number.desc()).limit(1)).one_or_none()
            return _from_row(row) if row else None

    def state(self, key: int) -> str:
        """Return the state of a message."""
        with reading(self._engine) as session:
            return state_of(session, key)


def state_of(session: Session, key: int) -> str:
    """Return the state of a message, as the caller's transaction sees it."""
    return str(session.execute(select(messages.c.state).where(messages.c.id == key)).scalar_one())


def read_stored(session: Session, key: int) -> Stored:
    """Return a message by the inbox's key."""
    return _from_row(session.execute(select(messages).where(messages.c.id == key)).one())


def leave_waiting(session: Session, conversation: str) -> int:
    """Leave all messages that wait for the bot to the agent who takes the conversation over; returns how many.

    To be called with the conversation held, together with the claim: a turn that ends later finds its message taken.
    """
    waiting = update(messages).where(messages.c.conversation_id == conversation, messages.c.state == WAITING)
    return int(session.execute(waiting.values(state=LEFT_TO_AGENT, finished_at=datetime.now(UTC))).rowcount)


def _heard(session: Session, held: Conversation, now: datetime) -> None:
    """Note that the customer wrote, and give a closed conversation back to the bot."""
    if held.status == CLOSED:
        change(session, held.id, BOT, at=now, reason="customer_wrote")
    session.execute(update(conversations).where(conversations.c.id == held.id).values(last_customer_at=now))


def _from_row(row: Any) -> Stored:
    names = {"key": "id", "conversation": "conversation_id"}
    return Stored(**{each.name: getattr(row, names.get(each.name, each.name)) for each in fields(Stored)})
