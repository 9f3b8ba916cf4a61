"""The outbox: replies, stored in the same transaction that ends their turn, ready to be delivered any number of times.

Touches the database. Their numbers grow within a conversation, so that a client can say which one it saw last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import reading, transaction
from bot.conversations import QUEUED, hold, next_number
from bot.inbox import Stored
from bot.rasa_client import Handoff, Reply, TurnResult
from bot.tables import DONE, FAILED, conversations, messages, replies

UNDETERMINED = "und"


@dataclass(frozen=True)
class Outgoing:
    """One stored reply; `message_id` is the client's id of the message that it answers, None for the greeting."""

    number: int
    message_id: str | None
    name: str
    language: str
    text: str
    buttons: list[dict[str, str]]
    image: str | None
    at: datetime


class Outbox:
    """Replies by conversation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def finish(self, message: Stored, result: TurnResult, *, button: bool) -> list[Outgoing]:
        """End a turn: store its replies, what Rasa made of the message, and a handoff if there is one."""
        with transaction(self._engine) as session:
            hold(session, message.conversation)
            self._end(
                session,
                message,
                state=DONE,
                button=button,
                language=result.language,
                intent=result.intent,
                confidence=result.confidence,
                sentiment=result.sentiment.name if result.sentiment else None,
                sentiment_confidence=result.sentiment.confidence if result.sentiment else None,
                out_of_scope=result.out_of_scope,
                adapter=result.adapter,
            )
            if result.language not in (None, UNDETERMINED):
                _change(session, message.conversation, language=result.language)
            for reply in result.replies:
                if reply.handoff:
                    _queue(session, message.conversation, reply.handoff)
            return self._add(session, message.conversation, result.replies, message)

    def fail(self, message: Stored, apology: Reply) -> list[Outgoing]:
        """End a turn that Rasa could not do, with an apology in its place."""
        with transaction(self._engine) as session:
            hold(session, message.conversation)
            self._end(session, message, state=FAILED)
            return self._add(session, message.conversation, [apology], message)

    def greet(self, conversation: str, greeting: Sequence[Reply]) -> None:
        """Open a conversation with the greeting, unless something has been said in it already."""
        with transaction(self._engine) as session:
            if hold(session, conversation).last_number == 0:
                self._add(session, conversation, greeting, None)

    def answers(self, message: Stored) -> list[Outgoing]:
        """Return the replies to a message, in order."""
        with reading(self._engine) as session:
            return _read(session, replies.c.answers == message.key)

    def after(self, conversation: str, number: int) -> list[Outgoing]:
        """Return the conversation's replies after a number."""
        with reading(self._engine) as session:
            return _read(session, (replies.c.conversation_id == conversation) & (replies.c.number > number))

    def offers(self, conversation: str, payload: str) -> bool:
        """Whether the conversation's last bot turn has a button with this payload.

        An apology is not a turn of the dialogue: the buttons before it are still what the customer may choose from.
        """
        turns = replies.outerjoin(messages, replies.c.answers == messages.c.id)
        spoken = (replies.c.conversation_id == conversation) & (func.coalesce(messages.c.state, DONE) == DONE)
        with reading(self._engine) as session:
            latest = select(replies.c.answers).select_from(turns).where(spoken).order_by(replies.c.number.desc())
            row = session.execute(latest.limit(1)).one_or_none()
            if row is None:
                return False
            same_turn = replies.c.answers.is_not_distinct_from(row.answers)
            offers = select(replies.c.buttons).where(replies.c.conversation_id == conversation, same_turn)
            offered = session.execute(offers).scalars()
            return any(button["payload"] == payload for buttons in offered for button in buttons)

    @staticmethod
    def _end(session: Session, message: Stored, **values: Any) -> None:
        values["finished_at"] = datetime.now(UTC)
        session.execute(update(messages).where(messages.c.id == message.key).values(values))

    @staticmethod
    def _add(session: Session, conversation: str, spoken: Sequence[Reply], message: Stored | None) -> list[Outgoing]:
        outgoing = []
        for reply in spoken:
            if not (reply.text or reply.buttons or reply.image):
                continue  # it only carried the handoff
            new = Outgoing(
                number=next_number(session, conversation),
                message_id=message.message_id if message else None,
                name=reply.name,
                language=reply.language,
                text=reply.text,
                buttons=[{"title": button.title, "payload": button.payload} for button in reply.buttons],
                image=reply.image,
                at=datetime.now(UTC),
            )
            session.execute(
                replies.insert().values(
                    conversation_id=conversation,
                    number=new.number,
                    answers=message.key if message else None,
                    name=new.name,
                    language=new.language,
                    text=new.text,
                    buttons=new.buttons,
                    image=new.image,
                    created_at=new.at,
                )
            )
            outgoing.append(new)
        return outgoing


def _queue(session: Session, conversation: str, handoff: Handoff) -> None:
    _change(session, conversation, status=QUEUED, handoff_reason=handoff.reason, ticket=handoff.ticket)


def _change(session: Session, conversation: str, **values: Any) -> None:
    session.execute(update(conversations).where(conversations.c.id == conversation).values(values))


def _read(session: Session, condition: Any) -> list[Outgoing]:
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
        )
        for row in session.execute(query)
    ]
