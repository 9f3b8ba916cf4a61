"""How the edge is served: connections whose clients are too slow are closed, and only named proxies are believed.

uvicorn waits without end for a request's head, and for a client that does not read. A connection costs no worker, but
memory and a descriptor, and there are not without end of those. Bodies have their time in `bot/guards.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

from bot.settings import Settings

HEAD_WITHIN = 10.0  # seconds for a request's line and headers, which h11 limits to 64 KB
READ_WITHIN = 30.0  # seconds in which a client must take something of what waits for it
# A message of over 64 KB is to be refused in words, and the connection to stay: so a packet may be larger.
PACKET_LIMIT = 1024 * 1024  # bytes


class Deadline:
    """Calls `late` unless it is stopped in time."""

    def __init__(self, seconds: float, late: Callable[[], None]) -> None:
        self._seconds = seconds
        self._late = late
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to count, unless that is being done already."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._late)

    def stop(self) -> None:
        """Do not call any more, until it is started again."""
        if self._timer:
            self._timer.cancel()
            self._timer = None


class ReadDeadline(asyncio.Protocol):
    """A connection that is closed when its client does not read what waits for it."""

    read_within = READ_WITHIN

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self._reading = Deadline(self.read_within, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._reading.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for a client that does not read."""
        super().pause_writing()
        self._reading.start()

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        self._reading.stop()
        super().resume_writing()


class HttpConnection(ReadDeadline, H11Protocol):
    """HTTP with deadlines: for a request's head, from the first moment or byte on, and for reading the answer."""

    head_within = HEAD_WITHIN

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._head = Deadline(self.head_within, transport.close)
        self._head.start()

    def data_received(self, data: bytes) -> None:
        """Take some bytes; those of a head do not give it more time."""
        self._head.start()
        super().data_received(data)
        in_request = self.cycle is not None and not self.cycle.response_complete
        if in_request or self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._head.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline of the head as well."""
        self._head.stop()
        super().connection_lost(exc)


class SocketConnection(ReadDeadline, WSProtocol):
    """A WebSocket with a deadline for reading; that the client lives is seen by pings."""


def server_config(
    app: ASGIApp,
    settings: Settings,
    *,
    http: type[HttpConnection] = HttpConnection,
    socket: type[SocketConnection] = SocketConnection,
) -> uvicorn.Config:
    """Say how uvicorn is to serve the edge."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=http,
        ws=socket,
        ws_max_size=PACKET_LIMIT,
        forwarded_allow_ips=list(settings.trusted_proxies),
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=5,
    )
