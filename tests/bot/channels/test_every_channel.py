"""What holds for every webhook, whoever the provider is."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from actions.database import open_engine, reading
from bot.channels.accounts import read_accounts
from bot.edge import make_edge
from bot.migrations import migrate
from bot.settings import FarEnds, Settings
from bot.tables import conversations, messages
from tests.bot.channels.conftest import CREDENTIALS, Shop, environment
from tests.bot.channels.played import BASE, BODIES, PLAYED, Played, Request
from tests.bot.edge_for_tests import SIGNS, Edge, edge_on, texts_for_tests
from tests.bot.fake_rasa import FakeRasa, reply, turn

CHANNELS = sorted(PLAYED)
CALLED = [channel for channel in CHANNELS if channel != "wechat"]  # WeChat is answered with its own request
FORGERIES = 1000
MALFORMED = 500
IDS, TIMES, AT_ONCE = 500, 5, 20
NOWHERE = "http://127.0.0.1:9"


class Door:
    """An edge without a server around it, for many requests; it stores, and nobody answers."""

    def __init__(self, folder: Path) -> None:
        database = f"sqlite:///{folder / 'edge.db'}"
        migrate(database)
        file = folder / "credentials.yml"
        file.write_text(CREDENTIALS)
        wanted = Settings(
            database_url=database,
            secret=SIGNS,
            var=folder,
            public_url=BASE,
            accounts=read_accounts(environment(NOWHERE), file),
            sender_rate=10**6,
        )
        app: ASGIApp = make_edge(wanted, FarEnds(NOWHERE, "", NOWHERE), texts=texts_for_tests())
        self.engine = open_engine(database)
        self._runner = asyncio.Runner()
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)

    def post(self, request: Request) -> httpx.Response:
        return self.run(self.send(request))

    async def send(self, request: Request) -> httpx.Response:
        return await self._http.post(request.url, content=request.body, headers=dict(request.headers))

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    def stored(self) -> int:
        with reading(self.engine) as session:
            return session.query(messages).count() + session.query(conversations).count()

    def close(self) -> None:
        self._runner.close()
        self.engine.dispose()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    opened = Door(tmp_path_factory.mktemp("door"))
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
    requests = [
        PLAYED[channel].text(str(number), sender=str(15550000 + number % 50), text=f"Nummer {number}")
        for number in range(1, IDS + 1)
    ]
    deliveries = [request for request in requests for _ in range(TIMES)]
    random.Random(channel).shuffle(deliveries)

    file = tmp_path / "credentials.yml"
    file.write_text(CREDENTIALS)
    accounts = read_accounts(environment(NOWHERE), file)
    with edge_on(database, rasa, tmp_path, accounts=accounts, public_url=BASE) as edge:
        statuses = asyncio.run(_deliver(edge, deliveries))
        _wait_until(lambda: len(rasa.asked) >= IDS)
        stored = Counter(row.message_id for row in edge.rows(messages))

    assert statuses == {200}
    assert len(stored) == IDS
    assert set(stored.values()) == {1}
    assert Counter(rasa.texts()) == {f"Nummer {number}": 1 for number in range(1, IDS + 1)}


async def _deliver(edge: Edge, deliveries: list[Request]) -> set[int]:
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=edge.url, limits=limits, timeout=60, trust_env=False) as http:

        async def send(request: Request) -> int:
            answer = await http.post(request.url, content=request.body, headers=dict(request.headers))
            return answer.status_code

        return set(await asyncio.gather(*(send(request) for request in deliveries)))


def _wait_until(condition: Any, within: float = 60.0) -> None:
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def forged(played: Played, number: int, chance: random.Random) -> Request:
    """Return a request that the provider did not send: missing, wrong, one byte off, other hash, stale."""
    genuine = played.text(f"{number}", sender="15550001", text="Storniere alles")
    mark = played.mark_of(genuine)
    place = chance.randrange(len(mark))
    kinds = {
        "missing": lambda: played.with_mark(genuine, None),
        "empty": lambda: played.with_mark(genuine, ""),
        "wrong": lambda: played.sign(Request(played.path, genuine.body), secret=f"secret {number}"),
        "random": lambda: played.with_mark(genuine, "".join(chance.choices("0123456789abcdef=", k=len(mark)))),
        "one byte off": lambda: played.with_mark(genuine, mark[:place] + chr(ord(mark[place]) ^ 1) + mark[place + 1 :]),
        "one byte less": lambda: played.with_mark(genuine, mark[:-1]),
        "other hash": lambda: played.sign(Request(played.path, genuine.body), digest="md5"),
        "of the secret": lambda: played.with_mark(genuine, hashlib.sha256(played.secret.encode()).hexdigest()),
    }
    if played.covers_body:
        at = chance.randrange(len(genuine.body))
        off = genuine.body[:at] + bytes([genuine.body[at] ^ 1]) + genuine.body[at + 1 :]
        kinds["body one byte off"] = lambda: played.with_body(genuine, off)
    if played.has_time:
        for seconds in (-301, -86400, 400):
            kinds[f"stale {seconds}"] = lambda seconds=seconds: played.text(  # type: ignore[misc]
                f"{number}", sender="15550001", at=time.time() + seconds
            )
    return chance.choice(sorted(kinds.items()))[1]()


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

    answers = {shop.post(forged(PLAYED[channel], number, chance)).status_code for number in range(30)}

    assert answers == {403}
    assert shop.edge.rows(messages) == []
    assert shop.rasa.asked == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=10), children, max_size=4),
    max_leaves=10,
)


@st.composite
def malformed(draw: st.DrawFn, valid: bytes) -> bytes:
    """Draw rubbish, or a provider's own body with a part of it broken."""
    if draw(st.booleans()):
        return draw(st.one_of(st.binary(max_size=300), json_values.map(lambda value: json.dumps(value).encode())))
    start = draw(st.integers(0, len(valid)))
    end = draw(st.integers(start, len(valid)))
    put = draw(
        st.one_of(st.binary(max_size=12), st.sampled_from([b"null", b"[]", b"{}", b"-1", b"\x00", b"\xff", b"]]>"]))
    )
    return valid[:start] + put + valid[end:]


@st.composite
def wrong_value(draw: st.DrawFn, valid: bytes) -> bytes:
    """Draw a provider's own JSON with any value in the place of one of its values."""
    content = json.loads(valid)
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            places.append((value, key))
            walk(value[key])

    walk(content)
    holder, key = draw(st.sampled_from(places))
    holder[key] = draw(json_values)
    return json.dumps(content).encode()


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
def test_a_channel_without_its_secrets_is_off(edge: Edge, channel: str) -> None:
    request = PLAYED[channel].text("1", sender="15550001")

    assert edge.http.post(request.url, content=request.body, headers=dict(request.headers)).status_code == 404


@pytest.mark.parametrize("channel", CHANNELS)
def test_without_its_database_the_edge_asks_for_another_delivery(shop: Shop, channel: str) -> None:
    with shop.edge.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE messages RENAME TO messages_away")
    request = PLAYED[channel].text("1", sender="15550001", text="Hallo")
    assert shop.post(request).status_code == 503

    with shop.edge.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE messages_away RENAME TO messages")
    assert shop.post(request).status_code == 200
    assert [row.text for row in shop.edge.rows(messages)] == ["Hallo"]
