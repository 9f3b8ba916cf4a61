"""Edges that share a database tell each other what they have stored; without Redis each finds it by looking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import redis

from bot.bell import CHANNEL
from bot.tables import conversations, messages
from tests.bot.edge_for_tests import Edge, Widget, edge_on
from tests.bot.fake_rasa import FakeRasa
from tests.bot.waiting import until
from tests.services import free_port

LONG = 60.0  # seconds
NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the edges look by themselves so seldom that no test lives to see it."""
    monkeypatch.setattr("bot.watch.SHORTEST_PAUSE", LONG)
    monkeypatch.setattr("bot.watch.Watch.__init__.__kwdefaults__", {"longest": LONG})
    monkeypatch.setattr("bot.dispatch.LOOK_AGAIN", LONG)


@pytest.fixture
def lame(database: str, rasa: FakeRasa, tmp_path: Path, redis_server: str, seldom: None) -> Iterator[Edge]:
    """Give an edge whose Rasa is gone, beside one that can answer; both listen to each other."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with (
        edge_on(database, rasa, tmp_path, redis_url=redis_server),
        edge_on(database, rasa, tmp_path, redis_url=redis_server, rasa_url=nowhere) as lame,
    ):
        until_both_listen(redis_server)
        yield lame


def within(seconds: float, happens: Callable[[], object]) -> object:
    began = time.monotonic()
    result = happens()
    assert time.monotonic() - began < seconds
    return result


def until_both_listen(redis_server: str) -> None:
    with redis.from_url(redis_server) as server:
        until(lambda: server.pubsub_numsub(CHANNEL)[0][1] == 2)


@pytest.mark.redis
def test_a_reply_that_one_edge_stores_reaches_a_socket_at_another_at_once(lame: Edge) -> None:
    with Widget(lame.url) as widget:
        widget.begin()
        for number in range(3):
            assert widget.say(f"nr {number}", f"m{number}")["ok"]
            assert within(LONG / 6, lambda: widget.hear("bot_uttered"))["text"] == f"echo nr {number}"
        assert {row.state for row in lame.rows(messages)} == {"done"}


@pytest.mark.redis
def test_who_waits_at_one_edge_hears_at_once_that_another_has_answered(lame: Edge) -> None:
    answers = [within(LONG / 6, partial(lame.say, "hallo", sender=sender)) for sender in "abc"]
    assert [answer.json()[0]["text"] for answer in answers] == ["echo hallo"] * 3


@pytest.mark.parametrize("redis_url", [None, NOBODY])
def test_without_redis_replies_reach_every_socket_once_and_in_order(
    database_url: str, rasa: FakeRasa, tmp_path: Path, redis_url: str | None
) -> None:
    texts = [f"nr {number}" for number in range(5)]
    with (
        edge_on(database_url, rasa, tmp_path, redis_url=redis_url) as one,
        edge_on(database_url, rasa, tmp_path, redis_url=redis_url) as two,
        Widget(one.url) as here,
        Widget(two.url) as there,
    ):
        token, _ = here.begin()
        there.begin(token)
        for number, text in enumerate(texts):
            (here, there)[number % 2].say(text, f"m{number}")
        heard = [[widget.hear("bot_uttered")["text"] for _ in texts] for widget in (here, there)]
        here.say("ende", "end")
        last = [widget.hear("bot_uttered")["text"] for widget in (here, there)]

        assert heard == [[f"echo {text}" for text in texts]] * 2
        assert last == ["echo ende"] * 2
        assert len(one.rows(conversations)) == 1
