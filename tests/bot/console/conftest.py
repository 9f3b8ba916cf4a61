"""An edge with agents, and browsers that are signed in."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from bot.console.sessions import Sessions
from tests.bot.agents_for_tests import PASSWORD, QUICK, Desk
from tests.bot.edge_for_tests import Edge, edge_on
from tests.bot.fake_rasa import FakeRasa

T = TypeVar("T")

CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Browser:
    """Somebody's browser, without a screen."""

    http: httpx.Client

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(f"/console{path}", headers=headers)

    def send(self, path: str, *, page: str = "/", csrf: str | None = None, **form: str) -> httpx.Response:
        """Send a form of a page, with the page's token unless another is given."""
        token = csrf if csrf is not None else self.token(page)
        return self.http.post(f"/console{path}", data={"csrf": token, **form})

    def token(self, page: str = "/") -> str:
        found = CSRF.search(self.get(page).text)
        assert found, f"{page} has no form"
        return found[1]

    def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.send("/sign-in", page="/sign-in", name=name, password=password)


def wait_for(look: Callable[[], T], found: Callable[[T], bool], within: float = 30.0) -> T:
    """Look again until it is found; returns what was seen last."""
    until = time.monotonic() + within
    while not found(seen := look()) and time.monotonic() < until:
        time.sleep(0.1)
    return seen


@pytest.fixture
def shop_edge(database: str, rasa: FakeRasa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    """Give an edge whose accounts hash quickly."""
    monkeypatch.setattr("bot.console.accounts.PasswordHasher", lambda: QUICK)
    with edge_on(database, rasa, tmp_path) as running:
        yield running


@pytest.fixture
def desk(shop_edge: Edge) -> Desk:
    """Give the same database as the edge has, for what agents and customers did before."""
    return Desk(shop_edge.engine)


@pytest.fixture
def browser(shop_edge: Edge) -> Iterator[Browser]:
    """Give the browser of somebody who is not signed in."""
    with httpx.Client(base_url=shop_edge.url, trust_env=False, follow_redirects=True, timeout=40) as http:
        yield Browser(http)


@pytest.fixture
def signed_in(shop_edge: Edge, desk: Desk) -> Iterator[Callable[..., Browser]]:
    """Give a way to make an account and a browser that is signed in with it."""
    opened: list[httpx.Client] = []

    def sign_in(name: str, role: str = "agent") -> Browser:
        http = httpx.Client(base_url=shop_edge.url, trust_env=False, follow_redirects=True, timeout=40)
        opened.append(http)
        token = Sessions(shop_edge.engine).begin(desk.agent(name, role))
        http.cookies.set("polydesk_agent", token, path="/console")
        return Browser(http)

    yield sign_in
    for http in opened:
        http.close()
