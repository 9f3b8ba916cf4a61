"""What holds for every webhook, whoever the provider is."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from bot.channels.wechat import WeChat
from bot.tables import messages
from tests.bot.channels.conftest import Shop, open_shop
from tests.bot.channels.masses import Door, deliver_again_and_again, forged, malformed, wrong_value
from tests.bot.channels.played import BODIES, PLAYED
from tests.bot.edge_for_tests import Edge
from tests.bot.fake_rasa import FakeRasa, reply, turn

CHANNELS = sorted(PLAYED)
CALLED = [channel for channel in CHANNELS if channel != "wechat"]  # WeChat is answered with its own request
FORGERIES = 1000
MALFORMED = 500
IDS = 60  # 500 in `python -m tests.benchmarks.channels`


@pytest.fixture(scope="module")
def open_all_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with open_shop(f"sqlite:///{folder / 'edge.db'}", FakeRasa(), folder) as opened:
        yield opened


@pytest.fixture
def shop(open_all_day: Shop) -> Shop:
    """One shop for all channels: none of them sees another's messages. Rasa and the providers forget."""
    open_all_day.rasa.asked.clear()
    open_all_day.apis.sent.clear()
    return open_all_day


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    opened = Door(tmp_path_factory.mktemp("door"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WeChat, "answers_within", 0.0)  # nobody answers here
        yield opened
    opened.close()


@pytest.mark.parametrize("channel", CALLED)
def test_a_text_is_answered_through_the_providers_interface(shop: Shop, channel: str) -> None:
    buttons = [{"title": "Ja", "payload": "/affirm"}, {"title": "Nein", "payload": "/deny"}]
    shop.rasa.script["Stornieren"] = turn(reply("Wirklich stornieren?", buttons=buttons))

    assert shop.post(PLAYED[channel].text("1", sender="15550001", text="Stornieren")).status_code == 200
    [asked] = shop.apis.wait_for(1)
    shop.post(PLAYED[channel].text("2", sender="15550001", text="2"))
    shop.apis.wait_for(2)

    if asked.buttons:
        assert asked.buttons == (("Ja", "/affirm"), ("Nein", "/deny"))
        assert shop.rasa.texts() == ["Stornieren", "2"], "a number is a number where there are buttons"
    else:
        assert asked.text == "Wirklich stornieren?\n\n1. Ja\n2. Nein"
        assert shop.rasa.texts() == ["Stornieren", "/deny"]
        assert shop.rasa.asked[1]["metadata"]["button"] is True
    assert shop.apis.refused == []


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_delivery_five_times_and_twenty_at_once_is_processed_once(
    database: str, rasa: FakeRasa, tmp_path: Path, channel: str
) -> None:
    processed = deliver_again_and_again(channel, IDS, database, rasa, tmp_path)

    assert processed.each_once(IDS), processed


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_thousand_forged_requests_are_refused_without_effect(door: Door, channel: str) -> None:
    chance = random.Random(channel)
    before = door.stored()

    answers = Counter(door.post(forged(PLAYED[channel], number, chance)).status_code for number in range(FORGERIES))

    assert answers == {403: FORGERIES}
    assert door.stored() == before


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_replayed_request_has_no_second_effect(door: Door, channel: str) -> None:
    request = PLAYED[channel].text("777000777", sender="15550002")
    assert door.post(request).status_code == 200
    before = door.stored()

    assert {door.post(request).status_code for _ in range(20)} == {200}
    assert door.stored() == before


@pytest.mark.parametrize("channel", CHANNELS)
def test_some_forged_requests_over_a_real_connection(shop: Shop, channel: str) -> None:
    chance = random.Random(channel)
    before = shop.edge.rows(messages)

    answers = {shop.post(forged(PLAYED[channel], number, chance)).status_code for number in range(30)}

    assert answers == {403}
    assert shop.edge.rows(messages) == before
    assert shop.rasa.asked == []


@pytest.mark.parametrize("channel", CHANNELS)
def test_malformed_bodies_are_no_server_errors_and_take_no_time(door: Door, channel: str) -> None:
    valid = BODIES[channel]("1", "15550003", "Hallo")
    bodies = malformed(valid) | wrong_value(valid) if valid.startswith(b"{") else malformed(valid)

    @settings(
        max_examples=MALFORMED, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(bodies)
    def try_one(body: bytes) -> None:
        began = time.process_time()  # of this process alone: how busy the machine is does not count
        answer = door.post(PLAYED[channel].signed(body))
        assert answer.status_code < 500
        assert time.process_time() - began < 1

    try_one()


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("body", [b"[" * 30_000, b"{" * 30_000, b'{"a":' * 10_000, b"<a>" * 10_000])
def test_deep_bodies_are_no_server_errors(door: Door, channel: str, body: bytes) -> None:
    assert door.post(PLAYED[channel].signed(body)).status_code < 500


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_channel_without_its_secrets_is_off(shared_edge: Edge, channel: str) -> None:
    request = PLAYED[channel].text("1", sender="15550001")

    assert shared_edge.http.post(request.url, content=request.body, headers=dict(request.headers)).status_code == 404


@pytest.mark.parametrize("channel", CHANNELS)
def test_without_its_database_the_edge_asks_for_another_delivery(shop: Shop, channel: str) -> None:
    with shop.edge.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE messages RENAME TO messages_away")
    text = f"{channel}, ist jemand da?"
    request = PLAYED[channel].text("503", sender="15550503", text=text)
    refused = shop.post(request)

    with shop.edge.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE messages_away RENAME TO messages")
    taken = shop.post(request)

    assert (refused.status_code, taken.status_code) == (503, 200)
    assert [row.text for row in shop.edge.rows(messages)].count(text) == 1
