"""WhatsApp, through Meta's Cloud API.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from bot.channels import meta
from bot.channels.formatting import Button, Form, Piece
from bot.channels.payloads import as_form, decode_object, each
from bot.channels.provider import Asked, Received, WebhookProvider
from bot.delivery import Recipient
from bot.inbox import Kind
from bot.texts import FALLBACK_LANGUAGE

FORM = Form(text=4096, buttons=10, title=24, payload=200, text_with_buttons=1024)
REPLY_BUTTONS = Form(text=1024, buttons=3, title=20, payload=256)
KINDS: Mapping[str, Kind] = {"image": "image", "audio": "voice", "location": "location"}
NO_MESSAGES = ("reaction", "system")  # an emoji on one of ours; a changed number


class Message(msgspec.Struct, frozen=True):
    """A customer's message."""

    sender: str = msgspec.field(name="from")
    id: str
    type: str


class WhatsApp(WebhookProvider):
    """One phone number."""

    channel = "whatsapp"

    def form(self, recipient: Recipient) -> Form:
        """Up to three buttons, else a list of ten."""
        return FORM

    def is_genuine(self, asked: Asked) -> bool:
        """Check Meta's signature of the body."""
        return meta.is_genuine(asked, self.account["app_secret"])

    def challenge(self, asked: Asked) -> str | None:
        """Answer the verification that Meta makes when the webhook is entered there."""
        return meta.challenge(asked, self.account["verify_token"])

    def read(self, asked: Asked) -> Iterator[Received]:
        """Give all messages of a batch; what is told of our own messages (`statuses`) is not among them."""
        for event in each(decode_object(asked.body), "entry", "changes", "value", "messages"):
            message = as_form(event, Message)
            if message and message.type not in NO_MESSAGES:
                yield _received(message, event.get(message.type))

    async def send(self, recipient: Recipient, piece: Piece) -> str | None:
        """Send text, buttons or a list, within 24 hours of the customer's last message."""
        meta.check_window(recipient)
        url = f"{self.account['api_url']}/{meta.VERSION}/{self.account['phone_number_id']}/messages"
        to = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": recipient.sender}
        headers = {"Authorization": f"Bearer {self.account['access_token']}"}
        answer = await meta.call(self.http, url, json={**to, **self._body(recipient, piece)}, headers=headers)
        return next((sent.get("id") for sent in each(answer, "messages")), None)

    def _body(self, recipient: Recipient, piece: Piece) -> dict[str, Any]:
        if not piece.buttons:
            return {"type": "text", "text": {"body": piece.text}}
        rows = [{"id": button["payload"], "title": button["title"]} for button in piece.buttons]
        if REPLY_BUTTONS.shows(piece.buttons):
            action: dict[str, Any] = {"buttons": [{"type": "reply", "reply": row} for row in rows]}
            kind = "button"
        else:
            opens = self.texts.edge(recipient.language or FALLBACK_LANGUAGE, "choose")
            action = {"button": opens, "sections": [{"rows": rows}]}
            kind = "list"
        return {"type": "interactive", "interactive": {"type": kind, "body": {"text": piece.text}, "action": action}}


def _received(message: Message, content: Any) -> Received:
    parts = content if isinstance(content, dict) else {}
    pressed = _pressed(parts)
    if pressed:
        return Received(message.sender, message.id, text=pressed["title"], payload=pressed["payload"])
    if message.type == "text":
        return Received(message.sender, message.id, text=str(parts.get("body", "")))
    attachment = {"type": message.type, "content": content}
    if caption := parts.get("caption"):
        return Received(message.sender, message.id, text=str(caption), attachment=attachment)
    return Received(message.sender, message.id, kind=KINDS.get(message.type, "other"), attachment=attachment)


def _pressed(parts: Mapping[str, Any]) -> Button | None:
    """Return the pressed button of an `interactive` message, or of a template's `button` message."""
    for reply in (parts.get("button_reply"), parts.get("list_reply")):
        if isinstance(reply, dict):
            return {"payload": str(reply.get("id", "")), "title": str(reply.get("title", ""))}
    if "payload" in parts:
        return {"payload": str(parts["payload"]), "title": str(parts.get("text", ""))}
    return None
