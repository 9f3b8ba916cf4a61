"""A conversation as the widget shows it after a reload: what was said, by whom, in order. Reads the database."""

from __future__ import annotations

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
        rows = [*session.execute(said.limit(LENGTH)), *session.execute(answered.limit(LENGTH))]
    titles: dict[str, str] = {}
    entries = []
    for row in sorted(rows, key=lambda row: row.number)[-LENGTH:]:
        if "buttons" in row.keys():  # noqa: SIM118 - a row is no mapping
            titles.update({button["payload"]: button["title"] for button in row.buttons})
            entry = {"from": "bot", "text": row.text, "buttons": row.buttons, "image": row.image, "name": row.name}
            entry |= {"language": row.language, "at": row.created_at.isoformat()}
        else:
            text = titles.get(row.text, row.text) if row.button else row.text
            entry = {"from": "customer", "text": text, "buttons": [], "image": None, "name": None}
            entry |= {"message_id": row.message_id, "at": row.received_at.isoformat()}
        entries.append({"id": row.number, **entry})
    return entries
