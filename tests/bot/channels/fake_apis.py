"""Plays the providers' interfaces as they are documented: checks token, form and limits, and remembers what was sent.

`answers[CHANNEL]` holds answers that come before the ordinary ones: a status with headers and body, one a request.
"""

from __future__ import annotations

import base64
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.bot.channels.played import OUR_NUMBER, VARIABLES

WAITS = 60.0  # seconds; a busy machine takes long


@dataclass(frozen=True)
class Sent:
    """One message that a provider took."""

    channel: str
    to: str
    text: str
    buttons: tuple[tuple[str, str], ...]  # title, payload
    body: dict[str, Any]


class Refused(Exception):
    """The request is not of the documented form."""


class FakeApis:
    """All providers on one server."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.refused: list[str] = []
        self.calls: dict[str, int] = defaultdict(int)
        self.answers: dict[str, list[Response]] = defaultdict(list)
        self.tokens: list[str] = []
        self._retry_keys: dict[str, str] = {}
        self._changed = threading.Condition()
        routes = {
            "messenger": "/v23.0/me/messages",
            "whatsapp": "/v23.0/{phone}/messages",
            "telegram": "/bot{token}/sendMessage",
            "slack": "/api/chat.postMessage",
            "twilio": "/2010-04-01/Accounts/{sid}/Messages.json",
            "line": "/v2/bot/message/push",
            "wechat": "/cgi-bin/message/custom/send",
        }
        self.app = Starlette(
            routes=[
                *(Route(path, self._served(channel), methods=["POST"]) for channel, path in routes.items()),
                Route("/cgi-bin/stable_token", self._wechat_token, methods=["POST"]),
            ]
        )

    def wait_for(self, count: int) -> list[Sent]:
        """Wait until so many messages were taken, and return them."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.sent) >= count, WAITS)
            assert enough, f"{len(self.sent)} of {count} messages came; refused: {self.refused}"
            return list(self.sent)

    def wait_for_text(self, text: str) -> Sent:
        """Wait until a message with this text was taken, and return it."""
        with self._changed:
            came = self._changed.wait_for(lambda: any(sent.text == text for sent in self.sent), WAITS)
            assert came, f"only {[sent.text for sent in self.sent]} came; refused: {self.refused}"
            return next(sent for sent in self.sent if sent.text == text)

    def wait_for_calls(self, channel: str, count: int) -> None:
        """Wait until a provider was called so often."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.calls[channel] >= count, WAITS)

    def _served(self, channel: str) -> Callable[[Request], Any]:
        take = getattr(self, f"_{channel}")

        async def serve(request: Request) -> Response:
            try:
                with self._changed:
                    self.calls[channel] += 1
                    self._changed.notify_all()
                if self.answers[channel]:
                    return self.answers[channel].pop(0)
                return await take(request)
            except Refused as refusal:
                self.refused.append(f"{channel}: {refusal}")
                return JSONResponse({"error": {"code": 100, "message": str(refusal)}}, status_code=400)

        return serve

    def _took(self, channel: str, to: str, text: str, body: dict[str, Any], buttons: Any = ()) -> None:
        with self._changed:
            self.sent.append(Sent(channel, to, text, tuple(buttons), body))
            self._changed.notify_all()

    async def _whatsapp(self, request: Request) -> Response:
        body = await request.json()
        _need(request.headers.get("authorization") == f"Bearer {VARIABLES['WHATSAPP_ACCESS_TOKEN']}", "token")
        _need(request.path_params["phone"] == VARIABLES["WHATSAPP_PHONE_NUMBER_ID"], "phone number id")
        _need(body["messaging_product"] == "whatsapp" and body["to"].isdecimal(), "to")
        if body["type"] == "text":
            text, buttons = body["text"]["body"], []
            _need(0 < len(text) <= 4096, "body's length")
        else:
            text, buttons = _whatsapp_interactive(body["interactive"])
        self._took("whatsapp", body["to"], text, body, buttons)
        sent = [{"id": f"wamid.{uuid.uuid4().hex}"}]
        contacts = [{"input": body["to"], "wa_id": body["to"]}]
        return JSONResponse({"messaging_product": "whatsapp", "contacts": contacts, "messages": sent})

    async def _messenger(self, request: Request) -> Response:
        body = await request.json()
        _need(request.query_params.get("access_token") == VARIABLES["MESSENGER_PAGE_TOKEN"], "token")
        _need(body["messaging_type"] == "RESPONSE", "messaging_type")
        message = body["message"]
        _need(0 < len(message["text"]) <= 2000, "text's length")
        replies = message.get("quick_replies", [])
        _need(len(replies) <= 13 and all(reply["content_type"] == "text" for reply in replies), "quick_replies")
        _need(all(len(reply["title"]) <= 20 and len(reply["payload"]) <= 1000 for reply in replies), "quick_replies")
        buttons = [(reply["title"], reply["payload"]) for reply in replies]
        self._took("messenger", body["recipient"]["id"], message["text"], body, buttons)
        return JSONResponse({"recipient_id": body["recipient"]["id"], "message_id": f"m_{uuid.uuid4().hex}"})

    async def _telegram(self, request: Request) -> Response:
        body = await request.json()
        if request.path_params["token"] != VARIABLES["TELEGRAM_BOT_TOKEN"]:
            return JSONResponse({"ok": False, "error_code": 401, "description": "Unauthorized"}, status_code=401)
        _need(0 < len(body["text"].encode("utf-16-le")) // 2 <= 4096, "text's length")
        rows = body.get("reply_markup", {}).get("inline_keyboard", [])
        buttons = [(button["text"], button["callback_data"]) for row in rows for button in row]
        _need(all(1 <= len(payload.encode()) <= 64 for _, payload in buttons), "callback_data")
        self._took("telegram", body["chat_id"], body["text"], body, buttons)
        return JSONResponse({"ok": True, "result": {"message_id": len(self.sent), "text": body["text"]}})

    async def _slack(self, request: Request) -> Response:
        body = await request.json()
        if request.headers.get("authorization") != f"Bearer {VARIABLES['SLACK_BOT_TOKEN']}":
            return JSONResponse({"ok": False, "error": "invalid_auth"})
        buttons = []
        for block in body.get("blocks", []):
            if block["type"] == "section":
                _need(len(block["text"]["text"]) <= 3000, "section")
            else:
                elements = block["elements"]
                _need(len(elements) <= 25, "elements")
                _need(len({element["action_id"] for element in elements}) == len(elements), "action_id")
                buttons = [(element["text"]["text"], element["value"]) for element in elements]
        _need(all(len(title) <= 75 and len(payload) <= 2000 for title, payload in buttons), "buttons")
        self._took("slack", body["channel"], body["text"], body, buttons)
        return JSONResponse({"ok": True, "channel": body["channel"], "ts": f"1503435956.{len(self.sent):06d}"})

    async def _twilio(self, request: Request) -> Response:
        sid, token = VARIABLES["TWILIO_ACCOUNT_SID"], VARIABLES["TWILIO_AUTH_TOKEN"]
        basic = base64.b64encode(f"{sid}:{token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}" or request.path_params["sid"] != sid:
            return JSONResponse({"code": 20003, "message": "Authenticate", "status": 401}, status_code=401)
        body = dict(await request.form())
        _need(set(body) == {"To", "From", "Body"} and body["From"].endswith(OUR_NUMBER), "fields")
        _need(0 < len(str(body["Body"])) <= 1600, "Body's length")
        self._took("twilio", str(body["To"]), str(body["Body"]), body)
        return JSONResponse({"sid": f"SM{uuid.uuid4().hex}", "status": "queued"}, status_code=201)

    async def _line(self, request: Request) -> Response:
        body = await request.json()
        if request.headers.get("authorization") != f"Bearer {VARIABLES['LINE_ACCESS_TOKEN']}":
            return JSONResponse({"message": "Authentication failed"}, status_code=401)
        key = str(uuid.UUID(request.headers["x-line-retry-key"]))
        if key in self._retry_keys:
            sent = {"sentMessages": [{"id": self._retry_keys[key]}]}
            return JSONResponse({"message": "The retry key is already accepted", **sent}, status_code=409)
        _need(len(body["messages"]) <= 5, "messages")
        [message] = body["messages"]
        _need(0 < len(message["text"].encode("utf-16-le")) // 2 <= 5000, "text's length")
        actions = [item["action"] for item in message.get("quickReply", {}).get("items", [])]
        _need(len(actions) <= 13, "items")
        _need(all(len(action["label"]) <= 20 and len(action["data"]) <= 300 for action in actions), "actions")
        self._retry_keys[key] = str(len(self.sent))
        buttons = [(action["label"], action["data"]) for action in actions]
        self._took("line", body["to"], message["text"], body, buttons)
        return JSONResponse({"sentMessages": [{"id": self._retry_keys[key], "quoteToken": "q"}]})

    async def _wechat_token(self, request: Request) -> Response:
        body = await request.json()
        wanted = ("client_credential", VARIABLES["WECHAT_APP_ID"], VARIABLES["WECHAT_APP_SECRET"])
        if (body["grant_type"], body["appid"], body["secret"]) != wanted:
            return JSONResponse({"errcode": 40125, "errmsg": "invalid appsecret"})
        self.tokens.append(f"token-{len(self.tokens)}")
        return JSONResponse({"access_token": self.tokens[-1], "expires_in": 7200})

    async def _wechat(self, request: Request) -> Response:
        raw = await request.body()
        body = await request.json()
        if request.query_params.get("access_token") not in self.tokens[-1:]:
            return JSONResponse({"errcode": 40001, "errmsg": "invalid credential"})
        _need(b"\\u" not in raw, "WeChat shows escaped characters as they stand")
        _need(body["msgtype"] == "text" and len(body["text"]["content"].encode()) <= 2048, "content")
        self._took("wechat", body["touser"], body["text"]["content"], body)
        return JSONResponse({"errcode": 0, "errmsg": "ok"})


def _whatsapp_interactive(interactive: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    text, action = interactive["body"]["text"], interactive["action"]
    _need(0 < len(text) <= 1024, "interactive body's length")
    if interactive["type"] == "button":
        _need(1 <= len(action["buttons"]) <= 3, "buttons")
        rows, longest = [button["reply"] for button in action["buttons"]], 20
    else:
        _need(interactive["type"] == "list" and 0 < len(action["button"]) <= 20, "list")
        rows, longest = [row for section in action["sections"] for row in section["rows"]], 24
        _need(len(rows) <= 10, "rows")
    _need(all(0 < len(row["title"]) <= longest and len(row["id"]) <= 200 for row in rows), "titles")
    _need(len({row["id"] for row in rows}) == len(rows), "ids")
    return text, [(row["title"], row["id"]) for row in rows]


def _need(condition: bool, what: str) -> None:
    if not condition:
        raise Refused(what)
