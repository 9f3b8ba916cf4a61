"""Rates, proxies and slow clients: with real sockets where a socket is what it is about."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from bot.connections import HttpConnection, SocketConnection, server_config
from bot.guards import BodyLimit
from bot.rates import TRUSTED, MemoryCounts, Rates
from bot.settings import Settings

SOON = 0.5  # seconds that a client is given here
PATIENT = 20.0  # seconds that a test waits for what should come at once
SENTENCE = b"x" * 65_536


class Http(HttpConnection):
    head_within = SOON
    read_within = SOON


class Socket(SocketConnection):
    read_within = SOON


async def who(request: Request) -> Response:
    await request.body()
    return PlainTextResponse(request.client.host if request.client else "")


async def endless(request: Request) -> Response:
    return PlainTextResponse(SENTENCE * 500)


@contextmanager
def serving(app: ASGIApp, *, http: type[HttpConnection] = Http, **changes: object) -> Iterator[str]:
    """Serve an application as the edge is served, but with short deadlines."""
    settings = Settings(port=0, **changes)  # type: ignore[arg-type]
    server = uvicorn.Server(server_config(app, settings, http=http, socket=Socket))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENT)


@contextmanager
def connected(url: str, *, receives: int | None = None) -> Iterator[socket.socket]:
    """Give a plain socket; `receives` is how many bytes the client's side takes in before it reads."""
    parts = urlsplit(url)
    with socket.socket() as client:
        if receives:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        client.settimeout(PATIENT)
        client.connect((parts.hostname, parts.port))
        yield client


def rest_of(client: socket.socket) -> bytes:
    """Read until the server closes; fails if it does not."""
    content = b""
    try:
        while part := client.recv(65_536):
            content += part
    except ConnectionResetError:
        pass
    return content


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT"],
    ids=["nothing", "line", "headers", "second request"],
)
def test_who_does_not_end_a_requests_head_is_closed(begun: bytes) -> None:
    with serving(Starlette(routes=[Route("/", who)])) as url, connected(url) as client:
        client.sendall(begun)
        rest_of(client)


def test_a_drop_of_the_head_now_and_then_buys_no_time() -> None:
    with serving(Starlette(routes=[Route("/", who)])) as url, connected(url) as client:
        client.settimeout(SOON / 10)
        for _ in range(200):
            try:
                client.sendall(b"G")
                if client.recv(1) == b"":
                    return
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                return
        pytest.fail("the connection was kept")


def test_a_body_that_comes_too_slowly_is_refused_and_its_connection_closed() -> None:
    app = BodyLimit(Starlette(routes=[Route("/", who, methods=["POST"])]), within=SOON)
    with serving(app) as url, connected(url) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"x" * 10)
        assert rest_of(client).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    ended = threading.Event()

    class Watched(Http):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            ended.set()

    app = Starlette(routes=[Route("/", endless)])
    with serving(app, http=Watched) as url, connected(url, receives=4096) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ended.wait(PATIENT)
        assert len(rest_of(client)) < len(SENTENCE) * 500, "what the kernel had taken, and no more"


def test_a_socket_that_never_reads_is_cut_off_and_what_served_it_ends() -> None:
    ended = threading.Event()

    async def chatter(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_bytes(SENTENCE)
        finally:
            ended.set()

    head = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    head += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    with (
        serving(Starlette(routes=[WebSocketRoute("/", chatter)])) as url,
        connected(url, receives=4096) as client,
    ):
        client.sendall(head)
        assert ended.wait(PATIENT)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (("127.0.0.1",), "203.0.113.7", "203.0.113.7"),
        (("127.0.0.1",), "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (("127.0.0.0/8", "203.0.113.0/24"), "198.51.100.1, 203.0.113.7", "198.51.100.1"),
        (("10.0.0.1",), "203.0.113.7", "127.0.0.1"),
    ],
    ids=["the proxy's word", "what a client adds before it", "two proxies", "a stranger's word"],
)
def test_only_a_trusted_proxy_says_where_a_request_comes_from(
    proxies: tuple[str, ...], forwarded: str, seen: str
) -> None:
    with serving(Starlette(routes=[Route("/", who)]), http=HttpConnection, trusted_proxies=proxies) as url:
        assert httpx.get(url, headers={"X-Forwarded-For": forwarded}, trust_env=False).text == seen


def allowed(rates: Rates, times: int, *, sender: str = "{}", address: str | None = None, trusted: bool = False) -> int:
    """Return how many of so many messages are within the limits; `{}` in sender and address is the message's number."""

    async def ask() -> int:
        return sum(
            [
                await rates.allows(
                    sender=sender.format(number), address=address and address.format(number), trusted=trusted
                )
                for number in range(times)
            ]
        )

    return asyncio.run(ask())


def test_a_sender_and_an_address_have_limits_of_their_own() -> None:
    assert allowed(Rates(MemoryCounts(), sender=3, address=100), 10, sender="anna") == 3
    assert allowed(Rates(MemoryCounts(), sender=3, address=5), 10, address="203.0.113.7") == 5
    assert allowed(Rates(MemoryCounts(), sender=3, address=5), 10, address="203.0.113.{}") == 10
    assert allowed(Rates(MemoryCounts(), sender=100, address=5), 10, sender="anna", address="127.0.0.1") == 10


def test_a_customers_whole_ipv6_network_is_one_address() -> None:
    assert allowed(Rates(MemoryCounts(), sender=3, address=5), 10, address="2001:db8::{}") == 5
    assert allowed(Rates(MemoryCounts(), sender=3, address=5), 10, address="::ffff:203.0.113.{}") == 10
    assert allowed(Rates(MemoryCounts(), sender=3, address=5), 10, address="2001:db8:0:{}::1") == 10


def test_whoever_knows_a_secret_may_send_more() -> None:
    assert allowed(Rates(MemoryCounts(), sender=3, address=1), 100, sender="anna", trusted=True) == 3 * TRUSTED


def test_fifty_messages_at_once_are_within_the_usual_limits() -> None:
    usual = Settings()
    rates = Rates(MemoryCounts(), sender=usual.sender_rate, address=usual.address_rate)
    assert allowed(rates, 50, sender="anna", address="203.0.113.7") == 50
    assert allowed(rates, 1000, sender="anna", address="203.0.113.7") < 600
