"""Many requests of one provider: the same ones again and again, forged ones, malformed ones.

For the tests, and in larger numbers for `python -m tests.benchmarks.channels`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from defusedxml.ElementTree import fromstring
from hypothesis import strategies as st
from starlette.types import ASGIApp

from actions.database import open_engine, reading
from bot.channels.accounts import read_accounts
from bot.edge import make_edge
from bot.migrations import migrate
from bot.settings import FarEnds, Settings
from bot.tables import conversations, messages
from tests.bot.channels.conftest import CREDENTIALS, environment, open_shop
from tests.bot.channels.played import BASE, PLAYED, Played, Request
from tests.bot.edge_for_tests import SIGNS, Edge, texts_for_tests
from tests.bot.fake_rasa import FakeRasa

TIMES, AT_ONCE = 5, 20
NOWHERE = "http://127.0.0.1:9"
WITHIN = 120.0  # seconds


@dataclass(frozen=True)
class Processed:
    """What became of deliveries: their statuses, and how often each id was stored, each text asked, each reply given.

    A reply is given through the provider's interface, or back with the request.
    """

    statuses: set[int]
    stored: Counter[str]
    asked: Counter[str]
    answered: Counter[str]

    def not_once(self, ids: int) -> int:
        """How many of so many messages were not stored, asked or answered, or not once."""
        counted = (self.stored, self.asked, self.answered)
        return sum(count != 1 for each in counted for count in each.values()) + sum(ids - len(each) for each in counted)

    def each_once(self, ids: int) -> bool:
        """Whether every one of so many messages was acknowledged, stored once, asked once and answered once."""
        return self.statuses == {200} and self.not_once(ids) == 0


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


def deliver_again_and_again(channel: str, ids: int, database: str, rasa: FakeRasa, folder: Path) -> Processed:
    """Deliver messages of fifty senders, each five times, twenty requests at once, to a running edge."""
    requests = [
        PLAYED[channel].text(str(number + 1), sender=str(15550000 + number % 50), text=f"Nummer {number}")
        for number in range(ids)
    ]
    deliveries = [request for request in requests for _ in range(TIMES)]
    random.Random(channel).shuffle(deliveries)
    with open_shop(database, rasa, folder) as shop:
        answers = asyncio.run(_deliver(shop.edge, deliveries))
        given_back = {text for each in answers if (text := _given_back(each))}
        until = time.monotonic() + WITHIN
        while len(given_back | {sent.text for sent in shop.apis.sent}) < ids and time.monotonic() < until:
            time.sleep(0.02)
        stored = Counter(row.message_id for row in shop.edge.rows(messages))
        answered = Counter([*(sent.text for sent in shop.apis.sent), *given_back])
    return Processed({answer.status_code for answer in answers}, stored, Counter(rasa.texts()), answered)


def _given_back(answer: httpx.Response) -> str | None:
    """Return the reply that stands in the answer to a request, as WeChat's may."""
    is_xml = answer.headers.get("content-type", "").startswith("application/xml")
    return fromstring(answer.content).findtext("Content") if is_xml else None


async def _deliver(edge: Edge, deliveries: list[Request]) -> list[httpx.Response]:
    rest = iter(deliveries)  # shared: each of twenty senders takes the next
    async with httpx.AsyncClient(base_url=edge.url, timeout=WITHIN, trust_env=False) as http:

        async def send() -> list[httpx.Response]:
            return [await http.post(each.url, content=each.body, headers=dict(each.headers)) for each in rest]

        return [answer for answers in await asyncio.gather(*(send() for _ in range(AT_ONCE))) for answer in answers]


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
