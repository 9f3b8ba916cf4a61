"""A conversation as the widget shows it after a reload: what was said, by whom, in order. Reads the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Engine

from actions.database import reading
from bot.tables import messages, replies

LENGTH = 200  # of the newest entries


def history(engine: Engine, conversation: str) -> list[dict[str, Any]]:
    """Return the newest entries, oldest first, in the form of `polydesk_ready`.

    A button that the customer pressed stands there with its title, as she saw it, not with its payload.
    """
    said = select(messages).where(messages.c.conversation_id == conversation).order_by(messages.c.number.desc())
    answered = select(replies).where(replies.c.conversation_id == conversation).order_by(replies.c.number.desc())
    with reading(engine) as session:
        customers = list(session.execute(said.limit(LENGTH)))
        bots = list(session.execute(answered.limit(LENGTH)))
    titles = {button["payload"]: button["title"] for row in reversed(bots) for button in row.buttons}
    entries = [_from_customer(row, titles) for row in customers] + [_from_bot(row) for row in bots]
    return sorted(entries, key=lambda entry: entry["id"])[-LENGTH:]


def _from_customer(row: Any, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": row.number,
        "from": "customer",
        "text": titles.get(row.text, row.text) if row.button else row.text,
        "buttons": [],
        "name": None,
        "message_id": row.message_id,
        "at": row.received_at.isoformat(),
    }


def _from_bot(row: Any) -> dict[str, Any]:
    return {
        "id": row.number,
        "from": "bot",
        "author": row.author,
        "text": row.text,
        "buttons": row.buttons,
        "image": row.image,
        "name": row.name,
        "language": row.language,
        "at": row.created_at.isoformat(),
    }
