"""Plays the providers' side of the webhooks: requests in the documented form, signed as each of them signs.

request = PLAYED["whatsapp"].text("id-1", sender="491701", text="Hallo")
http.request("POST", request.url, headers=request.headers, content=request.body)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.etree.ElementTree import Element, SubElement, tostring

from twilio.request_validator import RequestValidator

BASE = "http://edge.example"  # the public URL, which Twilio signs
VARIABLES = {
    "WHATSAPP_APP_SECRET": "whatsapp app secret",
    "WHATSAPP_VERIFY_TOKEN": "whatsapp verify token",
    "WHATSAPP_ACCESS_TOKEN": "whatsapp-access-token",
    "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
    "MESSENGER_APP_SECRET": "messenger app secret",
    "MESSENGER_VERIFY_TOKEN": "messenger verify token",
    "MESSENGER_PAGE_TOKEN": "messenger-page-token",
    "TELEGRAM_BOT_TOKEN": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
    "TELEGRAM_SECRET_TOKEN": "telegram_secret-token",
    "SLACK_SIGNING_SECRET": "8f742231b10e8888abcd99yyyzzz85a5",
    "SLACK_BOT_TOKEN": "xoxb-slack-bot-token",
    "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000001",
    "TWILIO_AUTH_TOKEN": "twilio auth token",
    "LINE_CHANNEL_SECRET": "line channel secret",
    "LINE_ACCESS_TOKEN": "line-access-token",
    "WECHAT_TOKEN": "wechat token",
    "WECHAT_APP_ID": "wx0000000000000001",
    "WECHAT_APP_SECRET": "wechat app secret",
}
OUR_NUMBER = "+15557654321"


@dataclass(frozen=True)
class Request:
    """A provider's request."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


@dataclass(frozen=True)
class Played:
    """One provider. `mark` is the header, or the query's parameter, that carries its signature.

    `sign(request, secret, digest, at)` signs with another secret, another hash or another time if told to.
    """

    channel: str
    secret: str
    mark: str
    sign: Callable[..., Request]
    text: Callable[..., Request]
    covers_body: bool = True
    has_time: bool = False
    digest: str = "sha256"

    @property
    def path(self) -> str:
        return f"/webhooks/{self.channel}/webhook"

    def signed(self, body: bytes, **options: Any) -> Request:
        """Sign any body."""
        return self.sign(Request(self.path, body), **options)

    def with_mark(self, request: Request, value: str | None) -> Request:
        """Put another signature onto a request, or none."""
        part = "query" if self.mark in request.query else "headers"
        marks = {name: each for name, each in getattr(request, part).items() if name != self.mark}
        return replace(request, **{part: {**marks, self.mark: value} if value is not None else marks})

    def with_body(self, request: Request, body: bytes) -> Request:
        """Put another body below a signature."""
        return replace(request, body=body)

    def mark_of(self, request: Request) -> str:
        return {**request.query, **request.headers}[self.mark]


def _headers(request: Request, **headers: str) -> Request:
    return replace(request, headers={**request.headers, **{name.replace("_", "-"): headers[name] for name in headers}})


# Meta


def sign_meta(secret: str) -> Callable[..., Request]:
    def sign(request: Request, *, secret: str = secret, digest: str = "sha256", at: float | None = None) -> Request:
        signature = hmac.new(secret.encode(), request.body, digest).hexdigest()
        return _headers(request, **{"x-hub-signature-256": f"sha256={signature}", "content-type": "application/json"})

    return sign


def whatsapp_body(*messages: Mapping[str, Any], **value: Any) -> bytes:
    metadata = {"display_phone_number": "15550783881", "phone_number_id": VARIABLES["WHATSAPP_PHONE_NUMBER_ID"]}
    contacts = [{"profile": {"name": "Sheena Nelson"}, "wa_id": message["from"]} for message in messages]
    told = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    if messages:
        told |= {"contacts": contacts, "messages": list(messages)}
    changes = [{"field": "messages", "value": told}]
    entry = [{"id": "102290129340398", "changes": changes}]
    return json.dumps({"object": "whatsapp_business_account", "entry": entry}).encode()


def whatsapp_message(message_id: str, *, sender: str = "16505551234", **content: Any) -> dict[str, Any]:
    name = next(iter(content))
    return {"from": sender, "id": message_id, "timestamp": "1749416383", "type": name, **content}


def messenger_body(*events: Mapping[str, Any], page: str = "page") -> bytes:
    entry = [{"id": "PAGE-ID", "time": 1458692752478, "messaging": list(events)}]
    return json.dumps({"object": page, "entry": entry}).encode()


def messenger_event(sender: str = "USER-ID", **content: Any) -> dict[str, Any]:
    return {"sender": {"id": sender}, "recipient": {"id": "PAGE-ID"}, "timestamp": 1458692752478, **content}


# the others


def sign_telegram(
    request: Request, *, secret: str = VARIABLES["TELEGRAM_SECRET_TOKEN"], digest: str = "", at: float | None = None
) -> Request:
    token = hashlib.new(digest, secret.encode()).hexdigest() if digest else secret
    return _headers(request, **{"x-telegram-bot-api-secret-token": token, "content-type": "application/json"})


def telegram_body(update_id: int, **content: Any) -> bytes:
    return json.dumps({"update_id": update_id, **content}).encode()


def telegram_message(sender: int = 1111111, **content: Any) -> dict[str, Any]:
    person = {"id": sender, "is_bot": False, "first_name": "Test", "language_code": "de"}
    return {
        "message_id": 1365,
        "date": 1441645532,
        "chat": {"id": sender, "first_name": "Test", "type": "private"},
        "from": person,
        **content,
    }


def sign_slack(
    request: Request,
    *,
    secret: str = VARIABLES["SLACK_SIGNING_SECRET"],
    digest: str = "sha256",
    at: float | None = None,
) -> Request:
    timestamp = str(int(time.time() if at is None else at))
    signature = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + request.body, digest).hexdigest()
    headers = {"x-slack-request-timestamp": timestamp, "x-slack-signature": f"v0={signature}"}
    headers.setdefault("content-type", request.headers.get("content-type", "application/json"))
    return _headers(request, **headers)


def slack_body(event: Mapping[str, Any], **more: Any) -> bytes:
    body = {
        "token": "deprecated",
        "team_id": "T061EG9R6",
        "api_app_id": "A0MDYCDME",
        "event": event,
        "type": "event_callback",
        "event_id": f"Ev{uuid.uuid4().hex}",
        "event_time": 1515449522,
        **more,
    }
    return json.dumps(body).encode()


def slack_message(ts: str, *, sender: str = "U2147483697", **content: Any) -> dict[str, Any]:
    message = {"type": "message", "channel": f"D{sender}", "user": sender, "ts": ts, "event_ts": ts}
    return {**message, "channel_type": "im", **content}


def sign_twilio(
    request: Request,
    *,
    secret: str = VARIABLES["TWILIO_AUTH_TOKEN"],
    digest: str = "sha1",
    at: float | None = None,
) -> Request:
    decoded = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
    if digest == "sha1":
        signature = RequestValidator(secret).compute_signature(f"{BASE}{request.url}", decoded)
    else:
        told = f"{BASE}{request.url}" + "".join(name + decoded[name] for name in sorted(decoded))
        signature = base64.b64encode(hmac.new(secret.encode(), told.encode(), digest).digest()).decode()
    headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
    return _headers(request, **headers)


def twilio_body(message_id: str, *, sender: str = "+15551234567", **fields: str) -> bytes:
    common = {
        "ToCountry": "US",
        "SmsMessageSid": message_id,
        "NumMedia": "0",
        "SmsStatus": "received",
        "To": OUR_NUMBER,
        "NumSegments": "1",
        "MessageSid": message_id,
        "AccountSid": VARIABLES["TWILIO_ACCOUNT_SID"],
        "From": sender,
        "ApiVersion": "2010-04-01",
    }
    return urlencode({**common, **fields}).encode()


def sign_line(
    request: Request,
    *,
    secret: str = VARIABLES["LINE_CHANNEL_SECRET"],
    digest: str = "sha256",
    at: float | None = None,
) -> Request:
    signature = base64.b64encode(hmac.new(secret.encode(), request.body, digest).digest()).decode()
    return _headers(request, **{"x-line-signature": signature, "content-type": "application/json"})


def line_body(*events: Mapping[str, Any]) -> bytes:
    return json.dumps({"destination": "xxxxxxxxxx", "events": list(events)}).encode()


def line_event(event_id: str, *, sender: str = "U4af4980629", **content: Any) -> dict[str, Any]:
    event = {
        "type": next(iter(content)),
        "mode": "active",
        "timestamp": 1462629479859,
        "source": {"type": "user", "userId": sender},
        "webhookEventId": event_id,
        "deliveryContext": {"isRedelivery": False},
        "replyToken": "nHuyWiB7yP5Zw52FIkcQobQuGDXCTA",
    }
    return {**event, **content}


def sign_wechat(
    request: Request,
    *,
    secret: str = VARIABLES["WECHAT_TOKEN"],
    digest: str = "sha1",
    at: float | None = None,
) -> Request:
    timestamp, nonce = str(int(time.time() if at is None else at)), uuid.uuid4().hex[:10]
    signature = hashlib.new(digest, "".join(sorted((secret, timestamp, nonce))).encode()).hexdigest()
    query = {"signature": signature, "timestamp": timestamp, "nonce": nonce, "openid": "anna"}
    return replace(_headers(request, **{"content-type": "text/xml"}), query=query)


def wechat_body(message_id: str, *, sender: str = "oANNA", **fields: str) -> bytes:
    root = Element("xml")
    common = {"ToUserName": "gh_shop", "FromUserName": sender, "CreateTime": "1348831860", "MsgId": message_id}
    for name, value in {**common, **fields}.items():
        SubElement(root, name).text = value
    return tostring(root)


def _text(channel: str, body: Callable[[str, str, str], bytes]) -> Callable[..., Request]:
    def text(message_id: str, *, sender: str, text: str = "Hallo", **options: Any) -> Request:
        return PLAYED[channel].signed(body(message_id, sender, text), **options)

    return text


def _number(name: str) -> int:
    return int(name) if name.isdecimal() else int(hashlib.sha256(name.encode()).hexdigest()[:12], 16)


BODIES: dict[str, Callable[[str, str, str], bytes]] = {
    "whatsapp": lambda i, sender, text: whatsapp_body(whatsapp_message(i, sender=sender, text={"body": text})),
    "messenger": lambda i, sender, text: messenger_body(messenger_event(sender, message={"mid": i, "text": text})),
    "telegram": lambda i, sender, text: telegram_body(_number(i), message=telegram_message(_number(sender), text=text)),
    "slack": lambda i, sender, text: slack_body(slack_message(i, sender=sender, text=text)),
    "twilio": lambda i, sender, text: twilio_body(i, sender=sender, Body=text),
    "line": lambda i, sender, text: line_body(
        line_event(f"event-{i}", sender=sender, message={"id": i, "type": "text", "text": text})
    ),
    "wechat": lambda i, sender, text: wechat_body(i, sender=sender, MsgType="text", Content=text),
}
PLAYED: dict[str, Played] = {
    played.channel: played
    for played in (
        Played(
            "whatsapp",
            VARIABLES["WHATSAPP_APP_SECRET"],
            "x-hub-signature-256",
            sign_meta(VARIABLES["WHATSAPP_APP_SECRET"]),
            _text("whatsapp", BODIES["whatsapp"]),
        ),
        Played(
            "messenger",
            VARIABLES["MESSENGER_APP_SECRET"],
            "x-hub-signature-256",
            sign_meta(VARIABLES["MESSENGER_APP_SECRET"]),
            _text("messenger", BODIES["messenger"]),
        ),
        Played(
            "telegram",
            VARIABLES["TELEGRAM_SECRET_TOKEN"],
            "x-telegram-bot-api-secret-token",
            sign_telegram,
            _text("telegram", BODIES["telegram"]),
            covers_body=False,
            digest="",
        ),
        Played(
            "slack",
            VARIABLES["SLACK_SIGNING_SECRET"],
            "x-slack-signature",
            sign_slack,
            _text("slack", BODIES["slack"]),
            has_time=True,
        ),
        Played(
            "twilio",
            VARIABLES["TWILIO_AUTH_TOKEN"],
            "x-twilio-signature",
            sign_twilio,
            _text("twilio", BODIES["twilio"]),
            digest="sha1",
        ),
        Played(
            "line",
            VARIABLES["LINE_CHANNEL_SECRET"],
            "x-line-signature",
            sign_line,
            _text("line", BODIES["line"]),
        ),
        Played(
            "wechat",
            VARIABLES["WECHAT_TOKEN"],
            "signature",
            sign_wechat,
            _text("wechat", BODIES["wechat"]),
            covers_body=False,
            has_time=True,
            digest="sha1",
        ),
    )
}
