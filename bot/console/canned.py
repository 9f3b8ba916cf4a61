"""Canned replies, by language: those of the reply files, and the team's own. Touches the database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.engine import Engine

from actions.database import insert_if_new, reading, transaction
from bot.agent_tables import canned_replies
from bot.handoff import Agent, Clock, utc_now
from bot.texts import Texts

TITLE_LENGTH = range(1, 81)
TEXT_LENGTH = range(1, 2001)


@dataclass(frozen=True)
class CannedReply:
    """A text to insert; `id` is None for one of the reply files'."""

    id: int | None
    language: str
    title: str
    text: str


class Canned:
    """All canned replies."""

    def __init__(self, engine: Engine, texts: Texts, *, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._texts = texts
        self._clock = clock

    def of(self, language: str) -> list[CannedReply]:
        """Return a language's, the team's own first."""
        query = select(canned_replies).where(canned_replies.c.language == language).order_by(canned_replies.c.title)
        with reading(self._engine) as session:
            own = [CannedReply(row.id, row.language, row.title, row.text) for row in session.execute(query)]
        given = self._texts.of(language).canned.items()
        return [*own, *(CannedReply(None, language, title.capitalize(), text) for title, text in given)]

    def add(self, language: str, title: str, text: str, agent: Agent) -> bool:
        """Keep a canned reply; returns False for one without a usable title or text, or with a title that is taken."""
        title, text = title.strip(), text.strip()
        if language not in self._texts.languages or len(title) not in TITLE_LENGTH or len(text) not in TEXT_LENGTH:
            return False
        values = {"language": language, "title": title, "text": text, "agent_id": agent.id, "at": self._clock()}
        with transaction(self._engine) as session:
            return insert_if_new(session, canned_replies, **values)

    def remove(self, key: int) -> None:
        """Remove one of the team's own."""
        with transaction(self._engine) as session:
            session.execute(delete(canned_replies).where(canned_replies.c.id == key))
