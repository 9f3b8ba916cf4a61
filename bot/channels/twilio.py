"""SMS and WhatsApp through Twilio's Messaging API.

https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict
from starlette.responses import Response
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from bot.channels import calls, meta
from bot.channels.formatting import Form, Piece
from bot.channels.provider import Asked, Received, WebhookProvider
from bot.delivery import Recipient
from bot.desk import Desk
from bot.inbox import Kind, Stored

FORM = Form(text=1600)
WHATSAPP = "whatsapp:"
FIELDS_LIMIT = 500
KINDS: Mapping[str, Kind] = {"image": "image", "audio": "voice"}
PLACE = ("Latitude", "Longitude", "Address", "Label")

Fields = ImmutableMultiDict[str, str]


class Twilio(WebhookProvider):
    """One Twilio account. A sender is `CUSTOMER NUMBER`: an account may have many, and answers from the same."""

    channel = "twilio"

    def form(self, recipient: Recipient) -> Form:
        """Give the limit of a message that Twilio splits and joins by itself; it has no buttons."""
        return FORM

    def is_genuine(self, asked: Asked) -> bool:
        """Check Twilio's signature, which covers the public URL and every field."""
        try:
            return bool(
                RequestValidator(self.account["auth_token"]).validate(
                    asked.url, _fields(asked), asked.headers.get("x-twilio-signature", "")
                )
            )
        except ValueError:  # neither a form nor a URL
            return False

    def read(self, asked: Asked) -> Iterator[Received]:
        """Give the message; what is told of our own messages has a `MessageStatus` and is none."""
        fields = _fields(asked)
        if fields.get("From") and fields.get("To") and fields.get("MessageSid") and "MessageStatus" not in fields:
            yield _received(fields)

    async def acknowledge(self, asked: Asked, stored: Sequence[Stored], desk: Desk) -> Response:
        """Answer with TwiML that says nothing: the reply is sent when it is there."""
        return Response('<?xml version="1.0" encoding="UTF-8"?><Response/>', media_type="text/xml")

    async def send(self, recipient: Recipient, piece: Piece) -> str | None:
        """Send from the number that the customer wrote to."""
        if recipient.sender.startswith(WHATSAPP):
            meta.check_window(recipient)
        customer, _, number = recipient.sender.partition(" ")
        sid = self.account["account_sid"]
        url = f"{self.account['api_url']}/2010-04-01/Accounts/{sid}/Messages.json"
        body = {"To": customer, "From": number, "Body": piece.text}
        answer = await calls.post(self.http, url, data=body, auth=(sid, self.account["auth_token"]))
        content = calls.content(answer)
        calls.check(answer, reason=f"code {content.get('code')}")
        return content.get("sid")


def _fields(asked: Asked) -> Fields:
    pairs = parse_qsl(asked.body.decode(), keep_blank_values=True, max_num_fields=FIELDS_LIMIT)
    return ImmutableMultiDict(pairs)


def _received(fields: Fields) -> Received:
    sender, message_id = f"{fields['From']} {fields['To']}", fields["MessageSid"]
    text = fields.get("Body", "")
    if "ButtonPayload" in fields:
        return Received(sender, message_id, text=fields.get("ButtonText", text), payload=fields["ButtonPayload"])
    if "Latitude" in fields:
        place = {name: fields[name] for name in PLACE if name in fields}
        return Received(sender, message_id, kind="location", attachment={"type": "location", "content": place})
    media = [name for name in fields if name.startswith("MediaUrl")]
    if not media:
        return Received(sender, message_id, text=text)
    attachment = {"type": "media", "content": [fields[name] for name in media]}
    family = fields.get("MediaContentType0", "").partition("/")[0]
    kind: Kind = "text" if text.strip() else KINDS.get(family, "other")
    return Received(sender, message_id, text=text, kind=kind, attachment=attachment)
