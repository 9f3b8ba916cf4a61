"""A small server that plays the edge for the widget, by the wires of docs/architecture.md.

It keeps conversations in memory, so that it can be stopped and started again on the same port as if only the process
had died. Tests script it: `answers` maps a customer's text to the bot's replies, and the switches break the wire at the
points where messages get lost or doubled. Run it by hand to look at the widget: `python -m tests.bot.fake_edge`.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import socketio
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.shop_pages import pages
from bot.texts import load_texts
from nlu.markets import load_markets
from tests.services import free_port

BOT = Path(pages.__file__).parents[1]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; "
    "img-src 'self' data: https:; base-uri 'none'; form-action 'self'"
)
STOP_WITHIN = 10.0  # seconds

Reply = dict[str, Any]


@dataclass
class Conversation:
    """What the edge's database would hold of a conversation; `items` are in the form of `polydesk_ready`'s history."""

    items: list[dict[str, Any]] = field(default_factory=list)

    def store(self, sender: str, text: str, **more: Any) -> dict[str, Any]:
        item = {"id": len(self.items) + 1, "from": sender, "text": text, "at": "2026-11-23T10:15:00+00:00", **more}
        self.items.append(item)
        return item


@dataclass
class Script:
    """What the fake does, and what it has seen. The switches act once and reset themselves."""

    greeting: list[Reply] = field(default_factory=list)
    answers: dict[str, list[Reply]] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    break_before_acknowledging: bool = False
    break_before_delivering: bool = False
    deliver_twice: bool = False
    may_answer: threading.Event = field(default_factory=threading.Event)
    refusal: str | None = None
    session_refusal: str | None = None

    def __post_init__(self) -> None:
        self.may_answer.set()

    def received(self, event: str) -> list[dict[str, Any]]:
        """Return the bodies of what came as `event`."""
        return [body for name, body in self.seen if name == event]


class FakeEdge:
    """Serves on a port of its own; `stop` and `start` may follow each other while the script keeps its memory."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.port = free_port()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        app = make_app(self.script)
        config = uvicorn.Config(app, port=self.port, ws="wsproto", log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        started = threading.Event()
        self._server.startup = _then(self._server.startup, started.set)  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        if not started.wait(STOP_WITHIN):
            raise TimeoutError("The fake edge did not start.")

    def stop(self) -> None:
        assert self._server and self._thread
        self._server.should_exit = True
        self._thread.join(STOP_WITHIN)
        if self._thread.is_alive():
            raise TimeoutError("The fake edge did not stop.")


@contextmanager
def running(script: Script | None = None) -> Iterator[FakeEdge]:
    """Run a fake edge for the length of a `with` block."""
    edge = FakeEdge(script)
    edge.start()
    try:
        yield edge
    finally:
        edge.stop()


def make_app(script: Script) -> ASGIApp:
    """Return the shop's pages, the widget's files and the socket server as one application."""
    server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
    _Wire(server, script).listen()
    site = Starlette(
        routes=[
            Mount("/widget", StaticFiles(directory=BOT / "widget")),
            Mount("/vendor", StaticFiles(directory=BOT / "vendor")),
            *pages.routes(load_texts()),
        ],
        middleware=[Middleware(_StrictPolicy)],
    )
    return socketio.ASGIApp(server, site)  # type: ignore[no-any-return]


class _Wire:
    """The events of a widget's socket."""

    def __init__(self, server: socketio.AsyncServer, script: Script) -> None:
        self.server = server
        self.script = script
        self.texts = load_texts()
        self.markets = load_markets()

    def listen(self) -> None:
        self.server.on("session_request", self.on_session_request)
        self.server.on("user_uttered", self.on_user_uttered)
        self.server.on("polydesk_resume", self.on_resume)
        for event in ("polydesk_consent", "polydesk_rate", "polydesk_score"):
            self.server.on(event, self.note(event))

    def note(self, event: str) -> Callable[[str, dict[str, Any]], Any]:
        async def on_event(_sid: str, body: dict[str, Any]) -> None:
            self.script.seen.append((event, body))

        return on_event

    async def on_session_request(self, sid: str, body: dict[str, Any]) -> dict[str, Any]:
        self.script.seen.append(("session_request", body))
        if self.script.session_refusal:
            error, self.script.session_refusal = self.script.session_refusal, None
            return {"ok": False, "error": error}
        token = body.get("session_id")
        if token not in self.script.conversations:
            token = str(uuid.uuid4())
            self.script.conversations[token] = Conversation()
            self.store_replies(self.script.conversations[token], self.script.greeting, message_id=None)
        conversation = self.script.conversations[token]
        market = self.markets[body["metadata"]["market"]]
        await self.server.save_session(sid, {"token": token, "language": market.language})
        await self.server.emit("session_confirm", token, to=sid)
        ready = {
            "market": market.code,
            "language": market.language,
            "direction": market.direction,
            "languages": list(market.languages),
            "texts": self.texts.widget(market.language),
            "consent": {"asked": bool(self.script.received("polydesk_consent")), "version": "1"},
            "privacy_url": f"/shop/{market.code}/privacy",
            "history": [{key: item.get(key) for key in _HISTORY} for item in conversation.items],
        }
        await self.server.emit("polydesk_ready", ready, to=sid)
        return {"ok": True}

    async def on_user_uttered(self, sid: str, body: dict[str, Any]) -> dict[str, Any] | None:
        self.script.seen.append(("user_uttered", body))
        if self.script.refusal:
            error, self.script.refusal = self.script.refusal, None
            return {"ok": False, "error": error}
        conversation = await self.conversation(sid)
        message_id = body["metadata"]["message_id"]
        known = next((item for item in conversation.items if item.get("message_id") == message_id), None)
        item = known or conversation.store("customer", body["message"], message_id=message_id)
        if self.script.break_before_acknowledging:
            self.script.break_before_acknowledging = False
            await self.server.disconnect(sid)
            return None
        if not known or not any(reply.get("answers") == message_id for reply in conversation.items):
            self.server.start_background_task(self.turn, sid, conversation, body["message"], message_id)
        return {"ok": True, "message_id": message_id, "id": item["id"]}

    async def turn(self, sid: str, conversation: Conversation, text: str, message_id: str) -> None:
        await self.server.emit("polydesk_turn", {"message_id": message_id, "state": "typing"}, to=sid)
        await asyncio.to_thread(self.script.may_answer.wait, STOP_WITHIN)
        replies = self.script.answers.get(text, [{"text": f"Answer to: {text}", "name": "utter_answer"}])
        await self.reply(sid, conversation, replies, message_id)
        await self.server.emit("polydesk_turn", {"message_id": message_id, "state": "done"}, to=sid)

    def store_replies(
        self, conversation: Conversation, replies: list[Reply], message_id: str | None
    ) -> list[dict[str, Any]]:
        return [conversation.store("bot", **{**_NO_REPLY, **reply}, answers=message_id) for reply in replies]

    async def reply(self, sid: str, conversation: Conversation, replies: list[Reply], message_id: str) -> None:
        stored = self.store_replies(conversation, replies, message_id)
        if self.script.break_before_delivering:
            self.script.break_before_delivering = False
            await self.server.disconnect(sid)
            return
        for item in stored * (2 if self.script.deliver_twice else 1):
            await self.deliver(sid, item)

    async def on_resume(self, sid: str, body: dict[str, Any]) -> None:
        self.script.seen.append(("polydesk_resume", body))
        conversation = await self.conversation(sid)
        for item in conversation.items:
            if item["from"] == "bot" and item["id"] > body["last_id"]:
                await self.deliver(sid, item)

    async def deliver(self, sid: str, item: dict[str, Any]) -> None:
        session = await self.server.get_session(sid)
        body = {
            "text": item["text"],
            "quick_replies": [{"content_type": "text", **button} for button in item["buttons"]],
            "metadata": {"id": item["id"], "name": item["name"], "language": session["language"]},
        }
        await self.server.emit("bot_uttered", body, to=sid)

    async def conversation(self, sid: str) -> Conversation:
        session = await self.server.get_session(sid)
        return self.script.conversations[session["token"]]


_HISTORY = ("id", "from", "text", "buttons", "name", "at")
_NO_REPLY: Reply = {"text": "", "buttons": [], "name": "utter_answer"}


class _StrictPolicy:
    """Puts the strict policy on every page, as the edge does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"content-security-policy", POLICY.encode()))
            await send(message)

        await self.app(scope, receive, send_with_policy)


def _then(startup: Callable[..., Any], after: Callable[[], None]) -> Callable[..., Any]:
    async def wrapped(*args: Any, **kwargs: Any) -> None:
        await startup(*args, **kwargs)
        after()

    return wrapped


async def _serve_by_hand() -> None:
    buttons = [{"title": "Track an order", "payload": "/track_order"}, {"title": "Refund", "payload": "/get_refund"}]
    script = Script(greeting=[{"text": "Hello, I am the bot.", "name": "utter_welcome", "buttons": buttons}])
    await uvicorn.Server(uvicorn.Config(make_app(script), port=8099, ws="wsproto")).serve()


if __name__ == "__main__":
    asyncio.run(_serve_by_hand())
