"""Reads Rasa's conversations: trackers with their events, one or many, or the events of an event broker.

    {"sender_id": "ab12", "slots": {"consent": true}, "events": [
        {"event": "user", "text": "hello", "timestamp": 1767600000.0, "message_id": "m1"}]}

Consent stands in a slot, in a slot event or in an event's metadata, under the name `consent`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from training.formats import (
    CONSENT_NAMES,
    BrokenRecordError,
    Record,
    Talk,
    consent_in,
    fields_of,
    last_word,
    read_consent,
    read_moment,
    text_of,
)
from training.formats.json_records import plain_number, read_talks
from training.store import TranscriptMessage
from training.tables import BOT, CUSTOMER

LISTS = ("conversations", "trackers", "data")
SPEAKERS = {"user": CUSTOMER, "bot": BOT}


def read(file: BinaryIO) -> Iterator[Record]:
    """Give the trackers, or the single events, of an export."""
    yield from read_talks(file, _talk, lists=LISTS)


def _talk(record: dict[str, Any]) -> Talk:
    name = plain_number(record.get("sender_id") or record.get("conversation_id"))
    if not name:
        raise BrokenRecordError("the record has no sender_id")
    events = [record] if "event" in record else record.get("events")
    if not isinstance(events, list):
        raise BrokenRecordError("the tracker has no list `events`")
    statements = [consent_in(record.get("slots")), consent_in(record.get("metadata"))]
    messages = []
    for entry in events:
        event = fields_of(entry, "an event")
        statements += [_slot_consent(event), consent_in(event.get("metadata"))]
        message = _message(name, event)
        if message:
            messages.append(message)
    return Talk(name, last_word(statements), tuple(messages))


def _slot_consent(event: dict[str, Any]) -> bool | None:
    is_consent = event.get("event") == "slot" and event.get("name") in CONSENT_NAMES
    return read_consent(event.get("value")) if is_consent else None


def _message(conversation: str, event: dict[str, Any]) -> TranscriptMessage | None:
    """Read what was said; None for all other events, and for buttons, whose text is a command."""
    speaker = SPEAKERS.get(str(event.get("event")))
    if speaker is None or event.get("text") in (None, ""):
        return None
    text = text_of(event["text"])
    if text.startswith("/"):
        return None
    moment = read_moment(event.get("timestamp"))
    key = plain_number(event.get("message_id"))
    parsed = event.get("parse_data")
    parsed = parsed if isinstance(parsed, dict) else {}
    return TranscriptMessage(
        conversation=conversation,
        key=f"id {key}" if key else f"{moment} {speaker} {text}",
        speaker=speaker,
        text=text,
        at=moment,
        language=_named(parsed, "language", "code"),
        intent=_named(parsed, "intent", "name"),
        confidence=_number(parsed, "intent", "confidence"),
        sentiment=_named(parsed, "sentiment", "name"),
        release=_named(parsed, "adapter", "version"),
    )


def _named(parsed: dict[str, Any], field: str, name: str) -> str | None:
    value = parsed.get(field)
    value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) and value and value.isprintable() else None


def _number(parsed: dict[str, Any], field: str, name: str) -> float | None:
    value = parsed.get(field)
    value = value.get(name) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
