"""What a hostile reader tries at the edge, beside the channels' own tests: paths, headers, origins, odd JSON."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from bot.texts import load_texts
from tests.bot.edge_for_tests import Edge, Widget, edge_on
from tests.bot.fake_rasa import FakeRasa

MOUNTS = ("/widget", "/vendor", "/shop-static", "/console/static")
STEPS = ("..", "%2e%2e", "..%2f..", "%2e%2e%2f%2e%2e", "....//", "..%5c..", "%00", ".%2e", "//etc")
SAFE = ("content-security-policy", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy")


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder = tmp_path_factory.mktemp("hostile")
    with edge_on(f"sqlite:///{folder / 'edge.db'}", FakeRasa(), folder, texts=load_texts()) as running:
        yield running


def raw(edge: Edge, request: bytes) -> bytes:
    """Send bytes as they are and return the answer."""
    parts = urlsplit(edge.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as client:
        client.sendall(request)
        answer = b""
        while part := client.recv(65_536):
            answer += part
        return answer


@pytest.mark.parametrize("mount", MOUNTS)
def test_no_path_leads_out_of_a_folder_that_is_served(edge: Edge, mount: str) -> None:
    for step in STEPS:
        for file in ("settings.py", "../pyproject.toml", "etc/passwd"):
            request = f"GET {mount}/{step}/{file} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            answer = raw(edge, request.encode())
            assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400", b"HTTP/1.1 405")), (step, file)
            assert b"root:" not in answer and b"[project]" not in answer and b"import" not in answer


@pytest.mark.parametrize(
    "path",
    ["/", "/shop/de-DE", "/widget/polydesk-chat.js", "/nowhere", "/console/sign-in", "/console/nowhere", "/health"],
)
def test_every_answer_has_the_headers_that_keep_pages_safe(edge: Edge, path: str) -> None:
    answer = edge.http.get(path)
    assert [name for name in SAFE if name not in answer.headers] == []
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_refused_bodies_have_them_as_well(edge: Edge) -> None:
    answer = edge.http.post("/webhooks/rest/webhook", content=b"x" * 100_000)
    assert answer.status_code == 413
    assert [name for name in SAFE if name not in answer.headers] == []


@pytest.mark.parametrize("path", ["/webhooks/rest/webhook", "/console/", "/health", "/metrics"])
def test_no_other_site_may_read_an_answer(edge: Edge, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        answer = edge.http.request(method, path, headers=asked)
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/shop/x%0d%0aSet-Cookie:%20a=b", "/shop/%0d%0a%0d%0a<script>", "/console/conversations/%0d%0aX-A:%20b"]
)
def test_line_ends_in_a_path_make_no_header(edge: Edge, path: str) -> None:
    answer = edge.http.get(path)
    assert answer.status_code in {303, 404}
    assert not {"set-cookie", "x-a"} & set(answer.headers)
    assert b"<script>" not in answer.content


@pytest.mark.parametrize("host", ["polydesk.example", "evil.example:8000", "127.0.0.1.evil.example", "[2001:db8::1]"])
def test_without_a_token_a_foreign_name_is_refused_even_from_this_machine(edge: Edge, host: str) -> None:
    body = {"sender": "a", "message": "x"}
    answer = edge.http.post("/webhooks/rest/webhook", json=body, headers={"Host": host})
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1", "[::1]:8000"])
def test_this_machines_own_names_are_served(edge: Edge, host: str) -> None:
    body = {"sender": "own name", "message": "x"}
    assert edge.http.post("/webhooks/rest/webhook", json=body, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"sender": "a", "message": NaN}', 400),
        (b'{"sender": "a", "message": "x", "metadata": {"identity": Infinity}}', 400),
        (b'{"sender": "a", "message": "x", "message_id": 1e999}', 400),
        (b'{"sender": "a", "message": 123456789012345678901234567890}', 400),
        (b'{"sender": "a", "message": "x", "message": ["y"]}', 400),
        (b'{"sender": "a", "message": "x", "metadata": {"identity": "\\ud800"}}', 400),
        (b'{"sender": "a", "message": "x", "metadata": {"identity": ' + b"[" * 900 + b"]" * 900 + b"}}", 200),
        (b'\xef\xbb\xbf{"sender": "a", "message": "x"}', 400),
        ('{"sender": "a", "message": "x"}'.encode("utf-16"), 400),
        (b'{"sender": "\\u0430nna", "message": "\\u202e\\u2066x"}', 200),
    ],
)
def test_odd_json_is_refused_or_taken_as_the_text_it_is(edge: Edge, body: bytes, status: int) -> None:
    assert edge.http.post("/webhooks/rest/webhook", content=body).status_code == status


def test_senders_that_look_alike_are_different_people(edge: Edge) -> None:
    asked = len(edge.rasa.asked)
    for sender in ("anna", "Anna", "аnna", "anna ", "ａｎｎａ", "anna\u200b", "anna\u0301", "ann\u00e1"):
        assert edge.say("hallo", sender=sender).status_code == 200
    assert len({each["sender"] for each in edge.rasa.asked[asked:]}) == 8


def test_a_client_cannot_speak_for_the_edge_or_an_agent(edge: Edge) -> None:
    with Widget(edge.url) as one, Widget(edge.url) as other:
        one.begin()
        other.begin()
        for event in ("bot_uttered", "polydesk_turn", "polydesk_ready", "session_confirm", "disconnect", "connect"):
            one.socket.emit(event, {"text": "from the bot", "metadata": {"author": "agent"}})
        assert one.say("hallo", "m1", author="agent", metadata={"author": "agent", "button": True})["ok"]
        assert one.hear("bot_uttered")["text"] == "echo hallo"
        heard = [json.dumps(body) for _, body in other.heard.queue]
    assert not any("from the bot" in body for body in heard)


def test_a_client_cannot_say_where_it_comes_from_or_that_it_has_gone(tmp_path: Path) -> None:
    forged = {"asgi.scope": {"client": ["203.0.113.9", 1]}, "HTTP_X_FORWARDED_FOR": "203.0.113.9"}
    # This machine's own address has no limit, so a forged one would be refused at the second message.
    database = f"sqlite:///{tmp_path / 'edge.db'}"
    with edge_on(database, FakeRasa(), tmp_path, address_rate=1) as edge, Widget(edge.url) as widget:
        widget.begin()
        widget.socket.emit("connect", forged)
        for _ in range(3):
            widget.socket.emit("disconnect", "gone")
        assert [widget.say("hallo", f"m{number}")["ok"] for number in range(3)] == [True, True, True]
        assert "polydesk_sockets 1.0" in edge.http.get("/metrics").text


def test_a_second_content_length_or_a_smuggled_request_is_not_served(edge: Edge) -> None:
    head = b"POST /webhooks/rest/webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    smuggled = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    for lengths in (
        b"Content-Length: 5\r\nContent-Length: 40\r\n",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 1_0\r\n",
    ):
        answer = raw(edge, head + lengths + b"\r\n" + b"0\r\n\r\n" + smuggled)
        assert b"polydesk_messages" not in answer
    assert httpx.get(f"{edge.url}/shop/de-DE", trust_env=False).status_code == 200
