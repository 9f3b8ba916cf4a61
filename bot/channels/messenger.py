"""Facebook Messenger and Instagram, through Meta's Send API: one webhook, whose `object` tells them apart.

https://developers.facebook.com/docs/messenger-platform/reference/webhook-events
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from bot.channels import meta
from bot.channels.formatting import Form, Piece, utf8
from bot.channels.payloads import as_form, decode_object, each
from bot.channels.provider import Asked, Received, WebhookProvider
from bot.delivery import Recipient
from bot.inbox import Kind

MESSENGER = Form(text=2000, buttons=13, title=20, payload=1000)
INSTAGRAM = Form(text=1000, measure=utf8, buttons=13, title=20, payload=1000)
# Its customers' ids are another namespace than Messenger's.
INSTAGRAM_PREFIX = "instagram:"
KINDS: Mapping[str, Kind] = {"image": "image", "audio": "voice", "location": "location"}


class Person(msgspec.Struct, frozen=True):
    """Who wrote."""

    id: str


class QuickReply(msgspec.Struct, frozen=True):
    """The pressed quick reply."""

    payload: str


class Message(msgspec.Struct, frozen=True):
    """A message; `is_echo` marks our own, which Meta sends back."""

    mid: str
    text: str = ""
    quick_reply: QuickReply | None = None
    attachments: list[dict[str, Any]] = []
    is_echo: bool = False
    is_deleted: bool = False


class Postback(msgspec.Struct, frozen=True):
    """A pressed button of the page itself."""

    payload: str
    title: str = ""
    mid: str | None = None


class Event(msgspec.Struct, frozen=True):
    """One event; those with neither (delivered, read, reactions) are not for us."""

    sender: Person
    timestamp: int = 0
    message: Message | None = None
    postback: Postback | None = None


class Messenger(WebhookProvider):
    """One page, and the Instagram account that belongs to it."""

    channel = "messenger"

    def form(self, recipient: Recipient) -> Form:
        """Give Instagram's shorter texts or Messenger's."""
        return INSTAGRAM if recipient.sender.startswith(INSTAGRAM_PREFIX) else MESSENGER

    def is_genuine(self, asked: Asked) -> bool:
        """Check Meta's signature of the body."""
        return meta.is_genuine(asked, self.account["app_secret"])

    def challenge(self, asked: Asked) -> str | None:
        """Answer the verification that Meta makes when the webhook is entered there."""
        return meta.challenge(asked, self.account["verify_token"])

    def read(self, asked: Asked) -> Iterator[Received]:
        """Give all messages of a batch, without our own echoes."""
        content = decode_object(asked.body)
        prefix = INSTAGRAM_PREFIX if content.get("object") == "instagram" else ""
        for data in each(content, "entry", "messaging"):
            event = as_form(data, Event)
            if event and event.message and not (event.message.is_echo or event.message.is_deleted):
                yield _message(prefix + event.sender.id, event.message)
            elif event and event.postback:
                pressed = event.postback
                message_id = pressed.mid or f"postback-{event.sender.id}-{event.timestamp}"
                yield Received(prefix + event.sender.id, message_id, text=pressed.title, payload=pressed.payload)

    async def send(self, recipient: Recipient, piece: Piece) -> str | None:
        """Send text with quick replies, within 24 hours of the customer's last message."""
        meta.check_window(recipient)
        message: dict[str, Any] = {"text": piece.text}
        if piece.buttons:
            message["quick_replies"] = [{"content_type": "text", **button} for button in piece.buttons]
        to = {"id": recipient.sender.removeprefix(INSTAGRAM_PREFIX)}
        body = {"recipient": to, "messaging_type": "RESPONSE", "message": message}
        url = f"{self.account['api_url']}/{meta.VERSION}/me/messages"
        answer = await meta.call(self.http, url, json=body, params={"access_token": self.account["page_token"]})
        return answer.get("message_id")


def _message(sender: str, message: Message) -> Received:
    if message.quick_reply:
        return Received(sender, message.mid, text=message.text, payload=message.quick_reply.payload)
    attachment = {"type": "attachments", "content": message.attachments} if message.attachments else None
    if message.text:
        return Received(sender, message.mid, text=message.text, attachment=attachment)
    return Received(sender, message.mid, kind=_kind(message.attachments), attachment=attachment)


def _kind(attachments: list[dict[str, Any]]) -> Kind:
    first = attachments[0] if attachments else {}
    is_sticker = any("sticker_id" in payload for payload in each(first, "payload"))
    return "other" if is_sticker else KINDS.get(str(first.get("type")), "other")
