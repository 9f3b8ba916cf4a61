"""Reads Zendesk's exports: tickets with their comments (Support), and chats with their history (Chat).

    {"id": 35, "requester_id": 9, "tags": ["consent"], "created_at": "2026-05-04T09:12:00Z", "comments": [
        {"id": 1, "author_id": 9, "body": "hello", "public": true, "created_at": "2026-05-04T09:12:00Z"}]}

Consent stands as a tag (`consent`, `no_consent`) or in a custom field of that name.
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
from training.tables import AGENT, BOT, CUSTOMER

LISTS = ("tickets", "results", "chats", "data")
CONSENT_TAGS = {
    **dict.fromkeys(CONSENT_NAMES, True),
    **{f"{no}{name}": False for name in CONSENT_NAMES for no in ("no_", "no-")},
}
CHAT_MESSAGE = "chat.msg"
CHAT_SPEAKERS = {"visitor": CUSTOMER, "agent": AGENT, "trigger": BOT, "bot": BOT, "answer_bot": BOT}


def read(file: BinaryIO) -> Iterator[Record]:
    """Give the tickets and chats of an export."""
    yield from read_talks(file, _talk, lists=LISTS)


def _talk(record: dict[str, Any]) -> Talk:
    if isinstance(record.get("ticket"), dict):
        record = {**record, **record["ticket"]}
    name = plain_number(record.get("id"))
    if not name:
        raise BrokenRecordError("the record has no id")
    if "history" in record or record.get("type") in ("chat", "offline_msg"):
        return Talk(f"chat {name}", _consent(record), tuple(_chat(f"chat {name}", record)))
    return Talk(f"ticket {name}", _consent(record), tuple(_ticket(f"ticket {name}", record)))


def _ticket(conversation: str, ticket: dict[str, Any]) -> Iterator[TranscriptMessage]:
    requester = plain_number(ticket.get("requester_id"))
    comments = ticket.get("comments")
    if comments is None:
        # An export without comments has at least what the customer wrote first.
        comments = [{"id": "description", "author_id": requester, "body": ticket.get("description")}]
    if not isinstance(comments, list):
        raise BrokenRecordError("`comments` is not a list")
    for entry in comments:
        comment = fields_of(entry, "a comment")
        body = comment.get("plain_body") or comment.get("body")
        if comment.get("public") is False or not body:
            continue
        author = plain_number(comment.get("author_id"))
        yield TranscriptMessage(
            conversation=conversation,
            key=f"id {plain_number(comment.get('id'))}" if comment.get("id") else f"{comment.get('created_at')} {body}",
            speaker=CUSTOMER if author == requester else AGENT,
            text=text_of(body),
            customer=requester,
            at=read_moment(comment.get("created_at") or ticket.get("created_at")),
        )


def _chat(conversation: str, chat: dict[str, Any]) -> Iterator[TranscriptMessage]:
    visitor = chat.get("visitor")
    customer = plain_number(visitor.get("id")) if isinstance(visitor, dict) else ""
    history = chat.get("history")
    if history is None:
        history = [{"type": CHAT_MESSAGE, "sender_type": "Visitor", "msg": chat.get("message")}]
    if not isinstance(history, list):
        raise BrokenRecordError("`history` is not a list")
    for position, entry in enumerate(history):
        event = fields_of(entry, "an event")
        if event.get("type", CHAT_MESSAGE) != CHAT_MESSAGE or not event.get("msg"):
            continue
        speaker = CHAT_SPEAKERS.get(str(event.get("sender_type", "")).lower())
        if speaker is None:
            raise BrokenRecordError("an event's sender_type is none of Visitor, Agent and Trigger")
        yield TranscriptMessage(
            conversation=conversation,
            key=f"id {event.get('msg_id') or position}",
            speaker=speaker,
            text=text_of(event["msg"]),
            customer=customer,
            at=read_moment(event.get("timestamp") or chat.get("timestamp")),
        )


def _consent(record: dict[str, Any]) -> bool | None:
    tags = record.get("tags")
    stated = [CONSENT_TAGS.get(str(tag).lower()) for tag in tags] if isinstance(tags, list) else []
    for name in ("custom_fields", "fields"):
        fields = record.get(name)
        for field in fields if isinstance(fields, list) else ():
            if isinstance(field, dict) and {str(field.get(key)) for key in ("id", "key", "title", "name")} & set(
                CONSENT_NAMES
            ):
                stated.append(read_consent(field.get("value")))
        stated.append(consent_in(fields))
    return last_word([*stated, consent_in(record)])
