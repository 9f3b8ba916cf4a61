from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import pytest

from bot.migrations import differences
from bot.rates import TRUSTED, Rates, RedisCounts
from bot.tables import consents, conversations, messages
from tests.bot.edge_for_tests import Widget, edge_on
from tests.bot.fake_rasa import FakeRasa, reply, turn


def test_the_edges_promises_hold_on_each_database(database_url: str, rasa: FakeRasa, tmp_path: Path) -> None:
    handoff = {"ticket": "T-1", "reason": "asked"}
    rasa.script["mensch"] = turn(reply("Moment.", handoff=handoff))
    with edge_on(database_url, rasa, tmp_path) as edge, Widget(edge.url) as widget:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: edge.say("hallo", message_id="1"), range(20)))
        token, _ = widget.begin()
        widget.say("مرحبا 🇩🇪", "m1")
        widget.hear("bot_uttered")
        widget.socket.call("polydesk_consent", {"given": True})
        widget.say("mensch", "m2")
        widget.hear("bot_uttered")
        _, ready = widget.begin(token)

        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.text for answer in answers}) == 1
        assert rasa.texts() == ["hallo", "مرحبا 🇩🇪", "mensch"]
        assert sorted(row.status for row in edge.rows(conversations)) == ["bot", "queued"]
        assert [entry["text"] for entry in ready["history"]][1] == "مرحبا 🇩🇪"
        assert all(row.received_at.tzinfo for row in edge.rows(messages))
        assert [row.given for row in edge.rows(consents)] == [True]
        assert edge.say("x\0y").status_code == 400
        assert [change for change in differences(edge.engine) if "sqlite_sequence" not in str(change)] == []


@pytest.mark.redis
def test_edges_that_share_redis_reach_each_others_sockets_and_share_the_limits(
    database: str, rasa: FakeRasa, tmp_path: Path, redis_server: str
) -> None:
    options = {"redis_url": redis_server, "sender_rate": 1}
    with (
        edge_on(database, rasa, tmp_path, **options) as one,
        edge_on(database, rasa, tmp_path, **options) as two,
        Widget(one.url) as here,
        Widget(two.url) as there,
    ):
        token, _ = here.begin()
        there.begin(token)
        here.say("hallo", "m1")
        assert there.hear("bot_uttered") == here.hear("bot_uttered")
        statuses = [edge.say("hallo").status_code for edge in islice(cycle((one, two)), TRUSTED + 1)]
        assert statuses == [200] * TRUSTED + [429]


def test_a_redis_that_is_away_refuses_nobody() -> None:
    async def allowed() -> list[bool]:
        rates = Rates(RedisCounts("redis://127.0.0.1:1/0"), sender=1, address=1)
        return [await rates.allows(sender="a", address=None) for _ in range(3)]

    assert asyncio.run(allowed()) == [True, True, True]
