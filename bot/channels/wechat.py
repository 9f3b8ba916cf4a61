"""A WeChat official account, in plain-text mode or, where it has a key for that, in safe mode.

What the bot has to say is given back with the request itself if it is ready within WeChat's five seconds, else sent as
a customer service message, for which the account has to be verified.
https://developers.weixin.qq.com/doc/service/guide/product/message/Receiving_standard_messages.html
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

import httpx
from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import PlainTextResponse, Response

from bot.channels import calls
from bot.channels.accounts import Account
from bot.channels.formatting import Form, Piece, lay_out, utf8
from bot.channels.provider import Asked, Received, WebhookProvider, same
from bot.channels.wechat_cipher import Envelope, NotOurs, signature
from bot.checks import Refusal
from bot.delivery import Recipient, TryLater, Undeliverable
from bot.desk import Desk
from bot.inbox import Kind, Stored
from bot.outbox import Outgoing
from bot.tables import WAITING
from bot.texts import Texts

FORM = Form(text=2048, measure=utf8)
SIGNED_WITHIN = 300  # seconds
REMEMBERED = 1000  # passive answers
KINDS: Mapping[str, Kind] = {"image": "image", "voice": "voice", "location": "location"}
TOKEN_ENDED = frozenset({40001, 40014, 42001})
TEMPORARY = frozenset({-1, 45009, 45011})
SPARE = 300.0  # seconds before its end in which a token is renewed


@dataclass(frozen=True)
class Passive:
    """What was given back with a request: the XML, and the numbers of the replies in it."""

    xml: str
    numbers: frozenset[int]


NOTHING = Passive("success", frozenset())


class WeChat(WebhookProvider):
    """One official account."""

    channel = "wechat"
    answers_within = 4.5  # seconds; after five WeChat asks again

    def __init__(self, account: Account, http: httpx.AsyncClient, texts: Texts) -> None:
        super().__init__(account, http, texts)
        self._passive: dict[tuple[str, str], asyncio.Task[Passive]] = {}
        self._signed: dict[str, tuple[float, bytes]] = {}
        self._token: tuple[str, float] = ("", 0.0)
        key = account["encoding_aes_key"]
        self._envelope = Envelope(account["app_id"], account["token"], key) if key else None

    def form(self, recipient: Recipient) -> Form:
        """Give the limit in bytes; it has no buttons."""
        return FORM

    def is_genuine(self, asked: Asked) -> bool:
        """Check WeChat's signature; in safe mode it covers the message, and what is not encrypted is not genuine."""
        if self._envelope is None:
            return self._is_signed(asked)
        try:
            _open(asked, self._envelope)
        except NotOurs:
            return False
        return True

    def _is_signed(self, asked: Asked) -> bool:
        """Check the signature that covers the time and a nonce but not the body.

        So a signature is good for five minutes, and for one body only.
        """
        timestamp, nonce = asked.query.get("timestamp", ""), asked.query.get("nonce", "")
        signed = signature(self.account["token"], timestamp, nonce)
        if not same(asked.query.get("signature"), signed) or not _is_fresh(timestamp):
            return False
        now = time.time()
        self._signed = {each: seen for each, seen in self._signed.items() if seen[0] > now}
        digest = hashlib.sha256(asked.body).digest()
        return self._signed.setdefault(signed, (now + 2 * SIGNED_WITHIN, digest))[1] == digest

    def challenge(self, asked: Asked) -> str | None:
        """Answer the verification that WeChat makes when the address is entered there; it is never encrypted."""
        return asked.query.get("echostr", "") if self._is_signed(asked) else None

    def read(self, asked: Asked) -> Iterator[Received]:
        """Give the message; events (followed, a menu was opened) are none."""
        fields = self._message(asked)
        if "Encrypt" in fields and "FromUserName" not in fields:
            raise Refusal("unreadable", detail="it is encrypted, and there is no key")
        if fields.get("FromUserName") and fields.get("MsgId") and fields.get("MsgType") != "event":
            yield _received(fields)

    async def acknowledge(self, asked: Asked, stored: Sequence[Stored], desk: Desk) -> Response:
        """Give the turn's replies back, or `success` when they take longer; again when WeChat asks again."""
        passive = NOTHING
        for message in stored:
            key = (message.conversation, message.message_id)
            if key not in self._passive and message.state == WAITING:
                self._forget_oldest()
                self._passive[key] = asyncio.create_task(self._answer(message, self._message(asked), desk))
            if key in self._passive:
                passive = await asyncio.shield(self._passive[key])
        if passive is NOTHING:
            return PlainTextResponse(passive.xml)
        xml = passive.xml
        if self._envelope:
            xml = self._envelope.seal(xml, timestamp=str(int(time.time())), nonce=secrets.token_hex(8))
        return PlainTextResponse(xml, media_type="application/xml")

    async def send(self, recipient: Recipient, piece: Piece) -> str | None:
        """Send a customer service message."""
        body = {"touser": recipient.sender, "msgtype": "text", "text": {"content": piece.text}}
        code = await self._send(body)
        if code in TOKEN_ENDED:
            self._token = ("", 0.0)
            code = await self._send(body)
        if code in TEMPORARY or code in TOKEN_ENDED:
            raise TryLater(f"errcode {code}")
        if code:
            raise Undeliverable(f"errcode {code}")
        return None

    async def gave_back(self, recipient: Recipient, reply: Outgoing) -> bool:
        """Whether a reply went back, or is just going back, with the request that it answers."""
        task = self._passive.get((recipient.conversation, reply.message_id or ""))
        return task is not None and reply.number in (await asyncio.shield(task)).numbers

    def _message(self, asked: Asked) -> dict[str, str]:
        return _fields(_open(asked, self._envelope) if self._envelope else asked.body)

    async def _answer(self, message: Stored, fields: Mapping[str, str], desk: Desk) -> Passive:
        try:
            async with asyncio.timeout(self.answers_within):
                await desk.dispatch.finished(message)
                replies = await asyncio.to_thread(desk.outbox.answers, message)
        except (TimeoutError, SQLAlchemyError):
            return NOTHING
        return _together(replies, message.conversation, fields)

    def _forget_oldest(self) -> None:
        for key in [key for key, task in self._passive.items() if task.done()][:-REMEMBERED]:
            del self._passive[key]

    async def _send(self, body: Mapping[str, object]) -> int:
        url = f"{self.account['api_url']}/cgi-bin/message/custom/send"
        answer = await calls.post(self.http, url, params={"access_token": await self._access_token()}, json=body)
        calls.check(answer)
        return int(calls.content(answer).get("errcode", 0))

    async def _access_token(self) -> str:
        """Return a token that all edges share: asking again does not end the one that another edge has."""
        token, until = self._token
        if time.monotonic() < until:
            return token
        body = {
            "grant_type": "client_credential",
            "appid": self.account["app_id"],
            "secret": self.account["app_secret"],
        }
        answer = await calls.post(self.http, f"{self.account['api_url']}/cgi-bin/stable_token", json=body)
        calls.check(answer)
        content = calls.content(answer)
        token = str(content.get("access_token", ""))
        if not token:
            raise TryLater(f"no access token: errcode {content.get('errcode')}")
        self._token = (token, time.monotonic() + float(content.get("expires_in", 0)) - SPARE)
        return token


def _is_fresh(timestamp: str) -> bool:
    return timestamp.isdecimal() and abs(time.time() - int(timestamp)) <= SIGNED_WITHIN


def _open(asked: Asked, envelope: Envelope) -> bytes:
    """Return the message that was encrypted; raises `NotOurs` for what WeChat did not sign now and for this account."""
    timestamp, nonce = asked.query.get("timestamp", ""), asked.query.get("nonce", "")
    try:
        encrypted = _fields(asked.body).get("Encrypt", "")
    except Refusal as error:
        raise NotOurs("not in an envelope") from error
    signed = signature(envelope.token, timestamp, nonce, encrypted)
    if not same(asked.query.get("msg_signature"), signed) or not _is_fresh(timestamp):
        raise NotOurs("not signed")
    return envelope.open(encrypted)


def _fields(body: bytes) -> dict[str, str]:
    try:
        root = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Refusal("unreadable", detail=type(error).__name__) from error
    return {child.tag: child.text or "" for child in root}


def _received(fields: Mapping[str, str]) -> Received:
    sender, message_id, kind = fields["FromUserName"], fields["MsgId"], fields.get("MsgType", "")
    if kind == "text":
        return Received(sender, message_id, text=fields.get("Content", ""))
    attachment = {"type": kind, "content": dict(fields)}
    if heard := fields.get("Recognition"):  # WeChat's own transcript of a voice message
        return Received(sender, message_id, text=heard, attachment=attachment)
    return Received(sender, message_id, kind=KINDS.get(kind, "other"), attachment=attachment)


def _together(replies: Sequence[Outgoing], conversation: str, fields: Mapping[str, str]) -> Passive:
    """Put as many replies as have room into the one text that may be given back."""
    text, numbers = "", set()
    for reply in replies:
        pieces = lay_out(reply, FORM, conversation=conversation)
        longer = "\n\n".join(part for part in (text, *(piece.text for piece in pieces)) if part)
        if utf8(longer) > FORM.text:
            break
        text = longer
        numbers.add(reply.number)
    if not numbers:
        return NOTHING
    root = Element("xml")
    values = {
        "ToUserName": fields["FromUserName"],
        "FromUserName": fields.get("ToUserName", ""),
        "CreateTime": str(int(time.time())),
        "MsgType": "text",
        "Content": text,
    }
    for name, value in values.items():
        SubElement(root, name).text = value
    return Passive(tostring(root, encoding="unicode"), frozenset(numbers))
