"""ASGI middleware in front of everything: the body's size, and the headers that keep pages safe."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.checks import BODY_LIMIT

BODY_WITHIN = 20.0  # seconds
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self' ws: wss:",
        "img-src 'self' data: https:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
}

_CLOSE = {"connection": "close"}
_TOO_LARGE = JSONResponse({"error": "The body is too large.", "reason": "too_long"}, status_code=413)
_TOO_SLOW = JSONResponse({"error": "The body came too slowly.", "reason": "too_slow"}, status_code=408, headers=_CLOSE)


class SafeHeaders:
    """Puts the security headers on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_safely if scope["type"] == "http" else send)


class BodyLimit:
    """Refuses bodies over the limit: by their announced length, and by counting those that announce none.

    One that takes longer than `within` seconds is refused as well, and its connection closed. A path that begins with
    one of `larger` has a limit of its own.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: int = BODY_LIMIT,
        larger: dict[str, int] | None = None,
        within: float = BODY_WITHIN,
    ) -> None:
        self._app = app
        self._limit = limit
        self._within = within
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer 413 in its place."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = next((size for path, size in self._larger.items() if scope["path"].startswith(path)), self._limit)
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > limit:
            await _TOO_LARGE(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._within):
                body = await _read(receive, limit)
        except TimeoutError:
            await _TOO_SLOW(scope, receive, send)
            return
        if body is None:
            await _TOO_LARGE(scope, receive, send)
            return
        told = False

        async def receive_body() -> Message:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_body, send)


async def _read(receive: Receive, limit: int) -> bytes | None:
    """Return a request's body, as far as the client sent it, or None as soon as it is over the limit."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body
        body += bytes(message.get("body", b""))
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return body
