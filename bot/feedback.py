"""What a customer allows and thinks: consent to learn from the conversation, thumbs for replies, a score at the end.

Touches the database. No consent is ever assumed: without a row the answer is no.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import reading, transaction
from bot.conversations import hold
from bot.tables import consents, ratings, replies, scores

# Of the question and of what is done with the answer; a new text is a new version, and asked anew.
CONSENT_VERSION = "1"


class Feedback:
    """Stores it, conversation by conversation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def asked(self, conversation: str) -> bool:
        """Whether the customer has answered the present version of the question."""
        query = select(consents.c.id).where(
            consents.c.conversation_id == conversation, consents.c.version == CONSENT_VERSION
        )
        with reading(self._engine) as session:
            return session.execute(query.limit(1)).first() is not None

    def consent(self, conversation: str, *, given: bool) -> None:
        """Keep an answer; earlier ones stay, the last one counts."""
        with transaction(self._engine) as session:
            row = {"conversation_id": conversation, "given": given, "version": CONSENT_VERSION, "at": datetime.now(UTC)}
            session.execute(consents.insert().values(row))

    def rate(self, conversation: str, number: int, value: int) -> bool:
        """Keep a thumb for one of the conversation's replies; returns False if it has no such reply."""
        with transaction(self._engine) as session:
            hold(session, conversation)
            known = select(replies.c.id).where(replies.c.conversation_id == conversation, replies.c.number == number)
            if session.execute(known).first() is None:
                return False
            _put(session, ratings, {"conversation_id": conversation, "number": number}, {"value": value})
            return True

    def score(self, conversation: str, score: int) -> None:
        """Keep the conversation's score, one to five; the last one counts."""
        with transaction(self._engine) as session:
            hold(session, conversation)
            _put(session, scores, {"conversation_id": conversation}, {"score": score})


def _put(session: Session, table: Table, key: dict[str, Any], values: dict[str, Any]) -> None:
    """Write a row that may be there already; the conversation is held, so nobody else writes it now."""
    values = {**values, "at": datetime.now(UTC)}
    this = [table.c[name] == value for name, value in key.items()]
    if session.execute(update(table).where(*this).values(values)).rowcount == 0:
        session.execute(table.insert().values({**key, **values}))
