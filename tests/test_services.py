from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.services import need

MISSING = "there is no redis-server"


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_missing_service_skips_with_the_reason(nothing_installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYDESK_REQUIRE", "browser")
    with pytest.raises(pytest.skip.Exception, match=MISSING):
        need("redis")


def test_a_missing_service_that_is_required_fails(nothing_installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYDESK_REQUIRE", "browser,redis")
    with pytest.raises(pytest.fail.Exception, match=MISSING):
        need("redis")


@pytest.mark.redis
def test_redis_answers_where_its_url_says(redis_server: str) -> None:
    address = urlsplit(redis_server)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=5) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(16) == b"+PONG\r\n"
