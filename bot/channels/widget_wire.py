"""The forms of the widget's events: what a client sends, and a reply as `bot_uttered`. Touches nothing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from bot.checks import Metadata
from bot.outbox import Outgoing

NO_METADATA = Metadata()

Answer = dict[str, Any]


class SessionRequest(msgspec.Struct, frozen=True):
    """`session_request`: `session_id` is a token, or anything for a new session."""

    session_id: Any = None
    metadata: Metadata | None = None


class UserUttered(msgspec.Struct, frozen=True):
    """`user_uttered`."""

    message: str
    session_id: Any = None
    metadata: Metadata | None = None


class Resume(msgspec.Struct, frozen=True):
    """`polydesk_resume`: the last id that the client has."""

    last_id: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None


class Consent(msgspec.Struct, frozen=True):
    """`polydesk_consent`."""

    given: bool


class Rating(msgspec.Struct, frozen=True):
    """`polydesk_rate`: a thumb for a reply."""

    id: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    value: Literal[-1, 1]


class Score(msgspec.Struct, frozen=True):
    """`polydesk_score`."""

    score: Annotated[int, msgspec.Meta(ge=1, le=5)]


def has_own_id(data: object) -> bool:
    """Whether a client names its messages, and so reads acknowledgements."""
    metadata = data.get("metadata") if isinstance(data, dict) else None
    return isinstance(metadata, dict) and "message_id" in metadata


def to_wire(reply: Outgoing) -> Answer:
    """Return a reply in the form of Rasa's socket.io channel."""
    wire: Answer = {"text": reply.text}
    if reply.buttons:
        wire["quick_replies"] = [{"content_type": "text", **button} for button in reply.buttons]
    if reply.image:
        wire["attachment"] = {"type": "image", "payload": {"src": reply.image}}
    metadata = {
        "id": reply.number,
        "name": reply.name,
        "author": reply.author,
        "language": reply.language,
        "message_id": reply.message_id,
        "at": reply.at.isoformat(),
    }
    return {**wire, "metadata": metadata}
