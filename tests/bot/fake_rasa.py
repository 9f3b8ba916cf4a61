"""Plays Rasa's end of the wire for tests of the edge: real HTTP, answers by script, remembers what it was asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

SECRET = "between edge and rasa"
GREETING = {
    "name": "utter_welcome",
    "language": "de",
    "text": "Hallo",
    "buttons": [{"title": "Verfolgen", "payload": "/track_order"}],
}


def reply(text: str, *, name: str = "utter_echo", language: str = "de", **more: Any) -> dict[str, Any]:
    """Return a reply in the wire's form."""
    return {"name": name, "language": language, "text": text, "buttons": [], **more}


def turn(*replies: dict[str, Any], language: str = "de") -> dict[str, Any]:
    """Return a turn's result in the wire's form."""
    return {
        "replies": list(replies),
        "intent": "track_order",
        "confidence": 0.9,
        "language": language,
        "market": "de-DE",
        "adapter": "de-DE",
        "sentiment": {"name": "neutral", "confidence": 0.8},
        "out_of_scope": 0.1,
    }


class FakeRasa:
    """Answers each message by `script`, else with an echo; `failing` is how many answers will be errors."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.understood: list[str] = []
        self.script: dict[str, dict[str, Any]] = {}
        self.failing = 0
        self.failure: dict[str, Any] = {"turn": "failed"}
        self.rubbish: bytes | None = None
        self.ready = True
        self.go_on = threading.Event()
        self.go_on.set()
        self.most_at_once = 0
        self.busy: set[str] = set()
        self.overlaps = 0
        self.app = Starlette(
            routes=[
                Route("/webhooks/polydesk/", self._health),
                Route("/webhooks/polydesk/webhook", self._turn, methods=["POST"]),
                Route("/webhooks/polydesk/greeting", self._greet, methods=["POST"]),
                Route("/webhooks/polydesk/understanding", self._understand, methods=["POST"]),
                Route("/health", self._actions_health),
            ]
        )

    def texts(self) -> list[str]:
        """Return the texts that were asked, in order."""
        return [asked["message"] for asked in self.asked]

    async def _health(self, request: Request) -> Response:
        return JSONResponse({}, status_code=200 if self.ready else 503)

    async def _actions_health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _greet(self, request: Request) -> Response:
        if self.failing:
            return JSONResponse(self.failure, status_code=503)
        return JSONResponse({"replies": [GREETING], "language": "de"})

    async def _understand(self, request: Request) -> Response:
        text = (await request.json())["message"]
        self.understood.append(text)
        return JSONResponse({**(self.script.get(text) or turn()), "replies": []})

    async def _turn(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {SECRET}":
            return JSONResponse({}, status_code=401)
        if not self.ready:
            return JSONResponse({"error": "the model is not loaded"}, status_code=503)
        body = await request.json()
        sender = body["sender"]
        self.overlaps += sender in self.busy
        self.busy.add(sender)
        self.asked.append(body)
        self.most_at_once = max(self.most_at_once, len(self.busy))
        await asyncio.to_thread(self.go_on.wait, 20)
        await asyncio.sleep(0)
        self.busy.discard(sender)
        if self.failing:
            self.failing -= 1
            return JSONResponse(self.failure, status_code=503)
        if self.rubbish is not None:
            return Response(self.rubbish)
        text = body["message"]
        return JSONResponse(self.script.get(text) or turn(reply(f"echo {text}")))


@contextmanager
def served(app: ASGIApp, *, port: int = 0, ws: str = "none", **options: Any) -> Iterator[str]:
    """Serve an application on loopback, on a free port if none is named, in a thread; yields its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, ws=ws, log_level="warning", access_log=False, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
