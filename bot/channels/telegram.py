"""Telegram's Bot API.

https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import JSONResponse, Response

from bot.channels import calls
from bot.channels.formatting import Form, Piece, utf16
from bot.channels.payloads import as_form, decode_object, each
from bot.channels.provider import Asked, Received, WebhookProvider, same
from bot.delivery import Recipient
from bot.desk import Desk
from bot.inbox import Kind, Stored

FORM = Form(text=4096, measure=utf16, buttons=20, title=60, payload=64)
START = "/start"  # what Telegram has everybody send first, by a button
KINDS: Mapping[str, Kind] = {
    "photo": "image",
    "voice": "voice",
    "audio": "voice",
    "location": "location",
    "venue": "location",
}


class Chat(msgspec.Struct, frozen=True):
    """Where it was written; groups are not served."""

    id: int
    type: str = "private"


class Person(msgspec.Struct, frozen=True):
    """Who wrote, with the language of her app."""

    language_code: str | None = None


class Message(msgspec.Struct, frozen=True):
    """A message; what it is besides text is told by the name of a further field."""

    chat: Chat
    sender: Person = msgspec.field(name="from", default=Person())
    text: str = ""
    caption: str = ""


class CallbackQuery(msgspec.Struct, frozen=True):
    """A pressed button."""

    id: str
    data: str = ""
    sender: Person = msgspec.field(name="from", default=Person())
    message: Message | None = None


class Update(msgspec.Struct, frozen=True):
    """What Telegram tells with one request."""

    update_id: int
    message: Message | None = None
    edited_message: Message | None = None
    callback_query: CallbackQuery | None = None


class Telegram(WebhookProvider):
    """One bot."""

    channel = "telegram"

    def form(self, recipient: Recipient) -> Form:
        """Give its limits: buttons below the message, each with 64 bytes of its own."""
        return FORM

    def is_genuine(self, asked: Asked) -> bool:
        """Compare the secret that was given to `setWebhook`."""
        return same(asked.headers.get("x-telegram-bot-api-secret-token"), self.account["secret_token"])

    def read(self, asked: Asked) -> Iterator[Received]:
        """Give the update's message; an edited one is what the customer says now, and a message of its own."""
        content = decode_object(asked.body)
        update = as_form(content, Update)
        if update is None:
            return
        update_id = str(update.update_id)
        if update.callback_query and update.callback_query.message:
            yield _pressed(update_id, update.callback_query, update.callback_query.message, content)
        elif update.message and update.message.chat.type == "private":
            yield _received(update_id, update.message, content["message"])
        elif update.edited_message and _is_corrected(update.edited_message):
            yield _received(update_id, update.edited_message, content["edited_message"])

    async def acknowledge(self, asked: Asked, stored: Sequence[Stored], desk: Desk) -> Response:
        """Tell that the messages are stored, and let a pressed button stop spinning."""
        update = as_form(decode_object(asked.body), Update)
        if update and update.callback_query:
            return JSONResponse({"method": "answerCallbackQuery", "callback_query_id": update.callback_query.id})
        return await super().acknowledge(asked, stored, desk)

    async def send(self, recipient: Recipient, piece: Piece) -> str | None:
        """Send text with a button a row."""
        body: dict[str, Any] = {"chat_id": recipient.sender, "text": piece.text}
        if piece.buttons:
            rows = [[{"text": button["title"], "callback_data": button["payload"]}] for button in piece.buttons]
            body["reply_markup"] = {"inline_keyboard": rows}
        url = f"{self.account['api_url']}/bot{self.account['bot_token']}/sendMessage"
        answer = await calls.post(self.http, url, json=body)
        content = calls.content(answer)
        waits = [each_one.get("retry_after") for each_one in each(content, "parameters")]
        after = next((float(seconds) for seconds in waits if isinstance(seconds, int)), None)
        calls.check(answer, reason=str(content.get("description", "")), after=after)
        return next((str(sent["message_id"]) for sent in each(content, "result") if "message_id" in sent), None)


def _is_corrected(message: Message) -> bool:
    """Whether the customer has changed her words; a shared place is edited again and again while its owner moves."""
    return message.chat.type == "private" and bool(message.text or message.caption)


def _received(update_id: str, message: Message, content: Mapping[str, Any]) -> Received:
    sender, hint = str(message.chat.id), message.sender.language_code
    if message.text:
        opens = message.text.partition(" ")[0] == START
        return Received(sender, update_id, text=message.text, language_hint=hint, opens=opens)
    name = next((name for name in KINDS if name in content), "message")
    attachment = {"type": name, "content": content.get(name, content)}
    kind: Kind = "text" if message.caption else KINDS.get(name, "other")
    return Received(sender, update_id, text=message.caption, kind=kind, attachment=attachment, language_hint=hint)


def _pressed(update_id: str, query: CallbackQuery, message: Message, content: Mapping[str, Any]) -> Received:
    rows = each(content, "callback_query", "message", "reply_markup")
    buttons = [button for markup in rows for row in markup.get("inline_keyboard", []) for button in each(row)]
    title = next((str(button.get("text", "")) for button in buttons if button.get("callback_data") == query.data), "")
    hint = query.sender.language_code
    return Received(str(message.chat.id), update_id, text=title, payload=query.data, language_hint=hint)
