"""LINE's Messaging API.

https://developers.line.biz/en/reference/messaging-api/
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import msgspec

from bot.channels import calls
from bot.channels.formatting import Form, Piece, utf16
from bot.channels.payloads import as_form, decode_object, each
from bot.channels.provider import Asked, Received, WebhookProvider, same
from bot.delivery import Recipient
from bot.inbox import Kind

FORM = Form(text=5000, measure=utf16, buttons=13, title=20, payload=300)
KINDS: Mapping[str, Kind] = {"image": "image", "audio": "voice", "location": "location"}
RETRY_KEYS = uuid.UUID("6f8f5f3a-8f0b-4c0e-9d3e-0a4f3f1c2b7d")  # the namespace of our retry keys


class Source(msgspec.Struct, frozen=True):
    """Where it was written; groups and rooms are not served."""

    type: str
    user: str = msgspec.field(name="userId", default="")


class Message(msgspec.Struct, frozen=True):
    """A message; what it is besides text is told by its type."""

    id: str
    type: str
    text: str = ""


class Postback(msgspec.Struct, frozen=True):
    """A pressed button."""

    data: str


class Event(msgspec.Struct, frozen=True):
    """One event. In `standby` another module of the account has the conversation."""

    type: str
    source: Source
    id: str = msgspec.field(name="webhookEventId", default="")
    mode: str = "active"
    message: Message | None = None
    postback: Postback | None = None


class Line(WebhookProvider):
    """One official account."""

    channel = "line"

    def form(self, recipient: Recipient) -> Form:
        """Give its limits: quick replies above the keyboard."""
        return FORM

    def is_genuine(self, asked: Asked) -> bool:
        """Check LINE's signature of the body."""
        digest = hmac.new(self.account["channel_secret"].encode(), asked.body, hashlib.sha256).digest()
        return same(asked.headers.get("x-line-signature"), base64.b64encode(digest).decode())

    def read(self, asked: Asked) -> Iterator[Received]:
        """Give all messages of a request; one that LINE delivers again has the id that it had."""
        for data in each(decode_object(asked.body), "events"):
            event = as_form(data, Event)
            if event is None or event.source.type != "user" or event.mode != "active":
                continue
            if event.message:
                yield _message(event.source.user, event.message, data.get("message"))
            elif event.postback:
                yield Received(event.source.user, event.id, payload=event.postback.data)

    async def send(self, recipient: Recipient, piece: Piece) -> str | None:
        """Push a message; its retry key has LINE take it once, however often it is sent."""
        message: dict[str, Any] = {"type": "text", "text": piece.text}
        if piece.buttons:
            message["quickReply"] = {"items": [_quick_reply(button) for button in piece.buttons]}
        headers = {
            "Authorization": f"Bearer {self.account['access_token']}",
            "X-Line-Retry-Key": str(uuid.uuid5(RETRY_KEYS, piece.key)),
        }
        url = f"{self.account['api_url']}/v2/bot/message/push"
        answer = await calls.post(self.http, url, json={"to": recipient.sender, "messages": [message]}, headers=headers)
        content = calls.content(answer)
        if answer.status_code != httpx.codes.CONFLICT:  # which says that a former try was taken
            calls.check(answer, reason=str(content.get("message", "")))
        return next((str(sent["id"]) for sent in each(content, "sentMessages") if "id" in sent), None)


def _message(sender: str, message: Message, content: Any) -> Received:
    if message.type == "text":
        return Received(sender, message.id, text=message.text)
    attachment = {"type": message.type, "content": content}
    return Received(sender, message.id, kind=KINDS.get(message.type, "other"), attachment=attachment)


def _quick_reply(button: Mapping[str, str]) -> dict[str, Any]:
    title = button["title"]
    action = {"type": "postback", "label": title, "data": button["payload"], "displayText": title}
    return {"type": "action", "action": action}
