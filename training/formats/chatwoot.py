"""Reads what Chatwoot's API gives: conversations with their messages, or the messages of conversations.

    {"id": 7, "custom_attributes": {"consent": true}, "meta": {"sender": {"id": 3}}, "messages": [
        {"id": 1, "content": "hello", "message_type": 0, "created_at": 1767600000}]}

Consent stands in the custom or additional attributes of the conversation or its contact, or as a label.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from training.formats import (
    BrokenRecordError,
    Record,
    Talk,
    consent_in,
    fields_of,
    last_word,
    read_moment,
    text_of,
)
from training.formats.json_records import plain_number, read_talks
from training.store import TranscriptMessage
from training.tables import AGENT, BOT, CUSTOMER

LISTS = ("payload", "data.payload", "data", "conversations")
INCOMING, OUTGOING, TEMPLATE = (0, "0", "incoming"), (1, "1", "outgoing"), (3, "3", "template")
ATTRIBUTES = ("custom_attributes", "additional_attributes", "content_attributes")
CONSENT_LABELS = {"consent": True, "training_consent": True, "no_consent": False, "no-consent": False}


def read(file: BinaryIO) -> Iterator[Record]:
    """Give the conversations of an export."""
    yield from read_talks(file, _talk, lists=LISTS)


def _talk(record: dict[str, Any]) -> Talk:
    if "messages" not in record and "content" in record:
        # A message by itself; a webhook's has its conversation inside.
        inside = record.get("conversation")
        around = inside if isinstance(inside, dict) else {}
        return _of_messages({**around, "id": record.get("conversation_id") or around.get("id")}, [record])
    messages = record.get("messages")
    if not isinstance(messages, list):
        raise BrokenRecordError("the conversation has no list `messages`")
    return _of_messages(record, messages)


def _of_messages(conversation: dict[str, Any], messages: list[Any]) -> Talk:
    name = plain_number(conversation.get("id") or conversation.get("display_id"))
    if not name:
        raise BrokenRecordError("the conversation has no id")
    meta = conversation.get("meta")
    contact = meta.get("sender") if isinstance(meta, dict) else None
    contact = contact if isinstance(contact, dict) else {}
    statements = [_consent(contact), _consent(conversation)]
    read_messages = []
    for entry in messages:
        message = fields_of(entry, "a message")
        statements.append(_consent(message))
        sender = message.get("sender")
        if isinstance(sender, dict) and message.get("message_type") in INCOMING:
            statements.insert(0, _consent(sender))
            contact = contact or sender
        said = _message(name, plain_number(contact.get("id")), message)
        if said:
            read_messages.append(said)
    return Talk(name, last_word(statements), tuple(read_messages))


def _message(conversation: str, customer: str, message: dict[str, Any]) -> TranscriptMessage | None:
    """Read a message; None for notes between agents, for what the system says, and for attachments alone."""
    speaker = _speaker(message)
    if speaker is None or message.get("private") or message.get("content") in (None, ""):
        return None
    text = text_of(message["content"])
    moment = read_moment(message.get("created_at"))
    key = plain_number(message.get("id"))
    return TranscriptMessage(
        conversation=conversation,
        key=f"id {key}" if key else f"{moment} {speaker} {text}",
        speaker=speaker,
        text=text,
        customer=customer,
        at=moment,
    )


def _speaker(message: dict[str, Any]) -> str | None:
    kind = message.get("message_type")
    if kind in INCOMING:
        return CUSTOMER
    if kind in TEMPLATE:
        return BOT
    if kind not in OUTGOING:
        return None
    sender = message.get("sender")
    kind_of_sender = str(sender.get("type", "")) if isinstance(sender, dict) else ""
    return BOT if "bot" in kind_of_sender.lower() else AGENT


def _consent(fields: dict[str, Any]) -> bool | None:
    stated = [consent_in(fields), *(consent_in(fields.get(name)) for name in ATTRIBUTES)]
    labels = fields.get("labels")
    stated += [CONSENT_LABELS.get(str(label)) for label in labels] if isinstance(labels, list) else []
    return last_word(stated)
