"""Slack: direct messages and mentions, through the Events API, and buttons through its interactivity.

https://docs.slack.dev/apis/events-api and https://docs.slack.dev/interactivity/handling-user-interaction
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Any
from urllib.parse import parse_qs

import msgspec
from slack_sdk.signature import SignatureVerifier
from starlette.responses import JSONResponse, Response

from bot.channels import calls
from bot.channels.formatting import Form, Piece
from bot.channels.payloads import as_form, decode_object, each
from bot.channels.provider import Asked, Received, WebhookProvider
from bot.delivery import Recipient, TryLater, Undeliverable
from bot.desk import Desk
from bot.inbox import Kind, Stored

# Where other people write to each other.
NOT_SERVED = frozenset({"channel", "group", "mpim"})
WRITTEN = frozenset({None, "file_share", "thread_broadcast"})  # the other subtypes tell of edits, of bots, of members
TEMPORARY = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable"})
MENTION = re.compile(r"<@[UW][A-Z0-9]+(?:\|[^>]*)?>\s*")
LINK = re.compile(r"<(?:mailto:|tel:)?([^|>]+)(?:\|([^>]*))?>")


class File(msgspec.Struct, frozen=True):
    """A file that was sent along."""

    mimetype: str = ""


class Event(msgspec.Struct, frozen=True):
    """A message; `ts` is its name within its channel."""

    type: str
    channel: str = ""
    ts: str = ""
    user: str = ""
    text: str = ""
    subtype: str | None = None
    bot_id: str | None = None
    channel_type: str | None = None
    thread_ts: str | None = None
    files: list[File] = []


class Named(msgspec.Struct, frozen=True):
    """A user, or a channel."""

    id: str


class Title(msgspec.Struct, frozen=True):
    """A button's title."""

    text: str = ""


class Action(msgspec.Struct, frozen=True):
    """A pressed button."""

    action_ts: str
    value: str = ""
    text: Title = Title()


class Origin(msgspec.Struct, frozen=True):
    """The message that has the button."""

    ts: str = ""
    thread_ts: str | None = None


class Interaction(msgspec.Struct, frozen=True):
    """What a pressed button tells."""

    user: Named
    channel: Named
    actions: list[Action] = []
    message: Origin = Origin()


class Slack(WebhookProvider):
    """One app in one workspace. A sender is `CHANNEL/USER`, or `CHANNEL/USER/THREAD` where the bot was mentioned."""

    channel = "slack"

    def form(self, recipient: Recipient) -> Form:
        """Give a section's limits, in which &, < and > count as they are written."""
        return Form(text=3000, measure=lambda text: len(_escape(text)), buttons=25, title=75, payload=2000)

    def is_genuine(self, asked: Asked) -> bool:
        """Check Slack's signature, which is good for five minutes."""
        timestamp = asked.headers.get("x-slack-request-timestamp", "")
        signature = asked.headers.get("x-slack-signature", "")
        # The library takes for granted what a forger need not keep to.
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 20 and signature.isascii()):
            return False
        try:
            return SignatureVerifier(self.account["signing_secret"]).is_valid(asked.body, timestamp, signature)
        except UnicodeDecodeError:
            return False

    def read(self, asked: Asked) -> Iterator[Received]:
        """Give the message, or the pressed button. Slack's retries are told by the message's own name."""
        pressed = _form_field(asked, "payload")
        if pressed is not None:
            interaction = as_form(decode_object(pressed), Interaction)
            if interaction:
                yield from _pressed(interaction)
        elif not _is_form(asked):
            for data in each(decode_object(asked.body), "event"):
                event = as_form(data, Event)
                if event and _is_for_us(event):
                    yield _received(event)

    async def acknowledge(self, asked: Asked, stored: Sequence[Stored], desk: Desk) -> Response:
        """Answer the verification of the address with its challenge, everything else with nothing."""
        content = {} if _is_form(asked) else decode_object(asked.body)
        if content.get("type") == "url_verification":
            return JSONResponse({"challenge": content.get("challenge")})
        return Response(status_code=200)

    async def send(self, recipient: Recipient, piece: Piece) -> str | None:
        """Post a message, in the thread where the bot was mentioned."""
        channel, _, rest = recipient.sender.partition("/")
        thread = rest.partition("/")[2]
        text = _escape(piece.text)
        body: dict[str, Any] = {"channel": channel, "text": text, "unfurl_links": False}
        if thread:
            body["thread_ts"] = thread
        if piece.buttons:
            body["blocks"] = [
                {"type": "section", "text": {"type": "mrkdwn", "text": text}},
                {"type": "actions", "elements": [_button(n, button) for n, button in enumerate(piece.buttons)]},
            ]
        url = f"{self.account['api_url']}/api/chat.postMessage"
        headers = {"Authorization": f"Bearer {self.account['bot_token']}"}
        answer = await calls.post(self.http, url, json=body, headers=headers)
        calls.check(answer)
        content = calls.content(answer)
        if content.get("ok") is not True:
            reason = str(content.get("error"))
            raise TryLater(reason) if reason in TEMPORARY else Undeliverable(reason)
        return content.get("ts")


def _button(number: int, button: Any) -> dict[str, Any]:
    title = {"type": "plain_text", "text": button["title"]}
    return {"type": "button", "action_id": f"choice-{number}", "text": title, "value": button["payload"]}


def _is_for_us(event: Event) -> bool:
    written = event.subtype in WRITTEN and event.bot_id is None and bool(event.user and event.channel and event.ts)
    served = event.type == "app_mention" or (event.type == "message" and event.channel_type not in NOT_SERVED)
    return written and served


def _received(event: Event) -> Received:
    thread = (event.thread_ts or event.ts) if event.type == "app_mention" else None
    sender = "/".join(part for part in (event.channel, event.user, thread) if part)
    # A mention in a direct message is told twice, as two events of one message.
    message_id = f"{event.channel}:{event.ts}"
    text = _plain(event.text)
    attachment = {"type": "files", "content": [file.mimetype for file in event.files]} if event.files else None
    kind: Kind = "text" if text or not event.files else _kind(event.files[0].mimetype)
    return Received(sender, message_id, text=text, kind=kind, attachment=attachment)


def _kind(mimetype: str) -> Kind:
    family = mimetype.partition("/")[0]
    return "image" if family == "image" else "voice" if family == "audio" else "other"


def _pressed(interaction: Interaction) -> Iterator[Received]:
    parts = (interaction.channel.id, interaction.user.id, interaction.message.thread_ts)
    sender = "/".join(part for part in parts if part)
    for action in interaction.actions:
        message_id = f"{interaction.channel.id}:{interaction.message.ts}:{action.action_ts}"
        yield Received(sender, message_id, text=action.text.text, payload=action.value)


def _plain(text: str) -> str:
    """Return a text as it was typed: without mentions, with links and addresses as they are, and its <, > and &."""
    return unescape(LINK.sub(lambda link: link[2] or link[1], MENTION.sub("", text))).strip()


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _is_form(asked: Asked) -> bool:
    return asked.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _form_field(asked: Asked, name: str) -> str | None:
    fields = parse_qs(asked.body.decode(errors="replace")) if _is_form(asked) else {}
    return fields.get(name, [None])[0]
