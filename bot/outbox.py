"""The outbox: what is said to customers, stored in the same transaction that ends its turn, ready to be delivered.

Touches the database. The numbers grow within a conversation, so that a client can say which one it saw last. What the
channel has to be brought stays pending until it is delivered (`bot/delivery.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import reading, transaction
from bot.conversations import BOT, QUEUED, Conversation, hold, next_number
from bot.inbox import Stored
from bot.ownership import queue
from bot.rasa_client import Button, Reply, TurnResult
from bot.tables import (
    DELIVERED,
    DONE,
    FAILED,
    FETCHED,
    LEFT_TO_AGENT,
    PENDING,
    WAITING,
    conversations,
    messages,
    replies,
)

UNDETERMINED = "und"
FETCHING_CHANNELS = frozenset({"rest"})
# The edge that ends a turn of such a channel pushes its replies itself, at once; if it dies before, others do so later.
PUSHING_CHANNELS = frozenset({"widget"})
PUSHED_WITHIN = timedelta(seconds=5)

Author = Literal["bot", "agent", "edge"]


@dataclass(frozen=True)
class Outgoing:
    """One stored reply; `message_id` is the client's id of the message that it answers, None if it answers none."""

    number: int
    message_id: str | None
    name: str
    language: str
    text: str
    buttons: list[dict[str, str]]
    image: str | None
    at: datetime
    author: Author = "bot"


class Outbox:
    """Replies by conversation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def finish(self, message: Stored, result: TurnResult, *, button: bool) -> list[Outgoing]:
        """End a turn: store its replies, what Rasa made of the message, and a handoff if there is one.

        A turn that comes too late, because an agent took the conversation or another edge ended it, leaves no reply.
        """
        understood = {
            "button": button,
            "language": result.language,
            "intent": result.intent,
            "confidence": result.confidence,
            "sentiment": result.sentiment.name if result.sentiment else None,
            "sentiment_confidence": result.sentiment.confidence if result.sentiment else None,
            "out_of_scope": result.out_of_scope,
            "adapter": result.adapter,
        }
        with transaction(self._engine) as session:
            held = hold(session, message.conversation)
            mine = _end(session, held, message, DONE)
            _change_message(session, message, **understood)
            if result.language not in (None, UNDETERMINED):
                _change(session, held.id, language=result.language)
            if not mine:
                return []
            for reply in result.replies:
                if reply.handoff:
                    handoff = reply.handoff
                    queue(session, held.id, at=datetime.now(UTC), reason=handoff.reason, ticket=handoff.ticket)
            spoken = [reply for reply in result.replies if reply.text or reply.buttons or reply.image]
            return [_add(session, held, reply, message=message) for reply in spoken]

    def fail(self, message: Stored, apology: Reply) -> list[Outgoing]:
        """End a turn that could not be done, with an apology in its place."""
        return self._end_with(message, apology, FAILED)

    def decline(self, message: Stored, reply: Reply) -> list[Outgoing]:
        """End the turn of a message that the bot cannot read, with words of the edge's."""
        return self._end_with(message, reply, DONE)

    def _end_with(self, message: Stored, reply: Reply, state: str) -> list[Outgoing]:
        with transaction(self._engine) as session:
            held = hold(session, message.conversation)
            mine = _end(session, held, message, state)
            return [_add(session, held, reply, message=message, author="edge")] if mine else []

    def greet(self, conversation: str, greeting: Sequence[Reply]) -> None:
        """Open a conversation with the greeting, unless something has been said in it already."""
        with transaction(self._engine) as session:
            held = hold(session, conversation)
            if held.last_number == 0:
                for reply in greeting:
                    # The widget's customers find it in their history.
                    _add(session, held, reply, fetched=held.channel in PUSHING_CHANNELS)

    @staticmethod
    def say(
        session: Session,
        conversation: str,
        *,
        author: Author,
        name: str,
        language: str,
        text: str,
        agent_id: int | None = None,
        buttons: Sequence[Button] = (),
    ) -> Outgoing:
        """Store a reply outside of a turn: an agent's words, or a notice of the edge's.

        Runs in the caller's transaction, after which `Dispatch.deliver_soon` brings it to the customer.
        """
        held = hold(session, conversation)
        reply = Reply(name=name, language=language, text=text, buttons=tuple(buttons))
        return _add(session, held, reply, author=author, agent_id=agent_id)

    def pushed(self, conversation: str, outgoing: Sequence[Outgoing]) -> None:
        """Note that replies were sent to all who follow the conversation."""
        numbers = [reply.number for reply in outgoing]
        these = (replies.c.conversation_id == conversation, replies.c.number.in_(numbers))
        with transaction(self._engine) as session:
            session.execute(update(replies).where(*these).values(delivery=DELIVERED, next_attempt_at=None))

    def answers(self, message: Stored) -> list[Outgoing]:
        """Return the replies to a message, in order."""
        with reading(self._engine) as session:
            return read_outgoing(session, replies.c.answers == message.key)

    def after(self, conversation: str, number: int) -> list[Outgoing]:
        """Return the conversation's replies after a number."""
        with reading(self._engine) as session:
            return read_outgoing(session, (replies.c.conversation_id == conversation) & (replies.c.number > number))

    def offered(self, conversation: str) -> list[list[dict[str, str]]]:
        """Return the buttons of each reply of the conversation's last bot turn.

        What the edge or an agent says is not a turn of the dialogue: the buttons before it still count.
        """
        spoken = (replies.c.conversation_id == conversation, replies.c.author == "bot")
        with reading(self._engine) as session:
            latest = select(replies.c.answers).where(*spoken).order_by(replies.c.number.desc()).limit(1)
            row = session.execute(latest).one_or_none()
            if row is None:
                return []
            same_turn = replies.c.answers.is_not_distinct_from(row.answers)
            query = select(replies.c.buttons).where(*spoken, same_turn).order_by(replies.c.number)
            return list(session.execute(query).scalars())

    def offers(self, conversation: str, payload: str) -> bool:
        """Whether the conversation's last bot turn has a button with this payload."""
        return any(button["payload"] == payload for buttons in self.offered(conversation) for button in buttons)


def read_outgoing(session: Session, condition: Any) -> list[Outgoing]:
    """Return the replies that meet a condition, in their conversation's order."""
    turns = replies.outerjoin(messages, replies.c.answers == messages.c.id)
    query = select(replies, messages.c.message_id).select_from(turns).where(condition).order_by(replies.c.number)
    return [
        Outgoing(
            number=row.number,
            message_id=row.message_id,
            name=row.name,
            language=row.language,
            text=row.text,
            buttons=row.buttons,
            image=row.image,
            at=row.created_at,
            author=row.author,
        )
        for row in session.execute(query)
    ]


def _end(session: Session, held: Conversation, message: Stored, state: str) -> bool:
    """End a message's turn and tell whether its replies may be said: only once, and only while the bot owns it."""
    owned = held.status in (BOT, QUEUED)
    this = (messages.c.id == message.key, messages.c.state == WAITING)
    values = {"state": state if owned else LEFT_TO_AGENT, "finished_at": datetime.now(UTC)}
    ended = session.execute(update(messages).where(*this).values(values)).rowcount == 1
    return owned and ended


def _add(
    session: Session,
    held: Conversation,
    reply: Reply,
    *,
    message: Stored | None = None,
    author: Author = "bot",
    agent_id: int | None = None,
    fetched: bool = False,
) -> Outgoing:
    now = datetime.now(UTC)
    new = Outgoing(
        number=next_number(session, held.id),
        message_id=message.message_id if message else None,
        name=reply.name,
        language=reply.language,
        text=reply.text,
        buttons=[{"title": button.title, "payload": button.payload} for button in reply.buttons],
        image=reply.image,
        at=now,
        author=author,
    )
    session.execute(
        replies.insert().values(
            conversation_id=held.id,
            number=new.number,
            answers=message.key if message else None,
            author=author,
            agent_id=agent_id,
            name=new.name,
            language=new.language,
            text=new.text,
            buttons=new.buttons,
            image=new.image,
            created_at=now,
            **({"delivery": FETCHED} if fetched else _delivery(held, now, in_turn=message is not None)),
        )
    )
    return new


def _delivery(held: Conversation, now: datetime, *, in_turn: bool) -> dict[str, Any]:
    if held.channel in FETCHING_CHANNELS:
        return {"delivery": FETCHED}
    pushed = in_turn and held.channel in PUSHING_CHANNELS
    return {"delivery": PENDING, "next_attempt_at": now + PUSHED_WITHIN if pushed else now}


def _change(session: Session, conversation: str, **values: Any) -> None:
    session.execute(update(conversations).where(conversations.c.id == conversation).values(values))


def _change_message(session: Session, message: Stored, **values: Any) -> None:
    session.execute(update(messages).where(messages.c.id == message.key).values(values))
