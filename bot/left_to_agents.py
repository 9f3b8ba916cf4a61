"""Has messages understood that the bot does not answer, so that agents see their language, tone and matter as well.

Touches the database and asks Rasa, whose tracker hears nothing of it. Two edges may ask about the same message; both
get the same answer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from bot.conversations import AGENT
from bot.rasa_client import RasaClient, RasaUnavailable, Turn, TurnFailed, TurnMetadata, TurnResult
from bot.tables import LEFT_TO_AGENT, conversations, messages
from bot.watch import Watch

UNDETERMINED = "und"
AT_ONCE = 10
WITHIN = 5.0  # seconds


class LeftToAgents:
    """Looks for such messages in conversations that agents have now."""

    def __init__(self, engine: Engine, rasa: RasaClient) -> None:
        self._engine = engine
        self._rasa = rasa
        self._watch = Watch("left_to_agents", self._look)

    def start(self) -> None:
        """Begin to look."""
        self._watch.start()

    async def stop(self) -> None:
        """Stop looking."""
        await self._watch.stop()

    async def _look(self) -> bool:
        rows = await asyncio.to_thread(self._not_understood)
        try:
            for row in rows:
                result = await self._rasa.understand(_to_rasa(row), within=WITHIN)
                await asyncio.to_thread(self._keep, row, result)
        except (RasaUnavailable, TurnFailed):
            return False  # a help for agents, nothing that anybody waits for: later
        return bool(rows)

    def _not_understood(self) -> list[Any]:
        query = (
            select(messages)
            .join(conversations, conversations.c.id == messages.c.conversation_id)
            .where(
                conversations.c.status == AGENT,
                messages.c.state == LEFT_TO_AGENT,
                messages.c.kind == "text",
                messages.c.language.is_(None),
            )
            .order_by(messages.c.id.desc())
            .limit(AT_ONCE)
        )
        with reading(self._engine) as session:
            return list(session.execute(query))

    def _keep(self, row: Any, result: TurnResult) -> None:
        understood = {
            "language": result.language or UNDETERMINED,
            "intent": result.intent,
            "confidence": result.confidence,
            "sentiment": result.sentiment.name if result.sentiment else None,
            "sentiment_confidence": result.sentiment.confidence if result.sentiment else None,
            "out_of_scope": result.out_of_scope,
            "adapter": result.adapter,
        }
        with transaction(self._engine) as session:
            session.execute(update(messages).where(messages.c.id == row.id).values(understood))
            if result.language not in (None, UNDETERMINED):
                this = conversations.c.id == row.conversation_id
                session.execute(update(conversations).where(this).values(language=result.language))


def _to_rasa(row: Any) -> Turn:
    return Turn(
        sender=row.conversation_id,
        message=row.text,
        message_id=f"{row.conversation_id}-{row.number}",
        metadata=TurnMetadata(market=row.market, language_hint=row.language_hint, button=False),
    )
