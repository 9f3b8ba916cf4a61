"""Two whole Polydesks on one database and one releases folder take a release over, and back, while customers write."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from psutil import Process
from sqlalchemy import column, select, table

from actions.database import open_engine, reading
from bot.rasa_files import SCHEMA
from bot.tables import messages
from nlu.adapters import ADAPTERS_FOLDER, read_manifest
from nlu.encoder import find_encoder, fingerprint
from nlu.export import served_path
from nlu.releases import POINTER, SERVED
from tests.benchmarks.customers import Crowd
from tests.benchmarks.kills import PROCESSES, child, look, settle
from tests.benchmarks.launched import Launched, launched
from tests.bot.waiting import until
from tests.conftest import fresh_database
from tests.training.releases.miniature import copy_adapter, the_same_in_other_bytes
from training.disk import write_durably
from training.lineage import Lineage, write_lineage
from training.release import Releases

# The timeout is for a machine that trains beside it: there each of the two starts for minutes.
pytestmark = [pytest.mark.postgresql, pytest.mark.redis, pytest.mark.timeout(1200)]

MARKET = "en-US"  # where the crowd buys
SHIPPED = ADAPTERS_FOLDER / MARKET
WITHIN = 60.0  # seconds; two or three on a machine that does nothing else
# Of the turns that an edge ends after a moment, at most two, one a customer, are of messages from before it.
TURNS = 3
# What Rasa keeps of customers' messages.
HEARD = select(column("data")).select_from(table("events", schema=SCHEMA)).where(column("type_name") == "user")


@dataclass(frozen=True)
class Desk:
    """One of the two, as it is seen from outside: its processes, its metrics, its Rasa's log."""

    running: Launched
    folder: Path
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False))

    def processes(self) -> list[Process | None]:
        return [child(self.running.launcher, name) for name in PROCESSES]

    def turns(self) -> float:
        """Return how many turns this edge has had ended by its own Rasa."""
        lines = self.http.get(f"{self.running.url}/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("polydesk_turns_total{"))

    def has_logged(self, event: str, detail: str) -> bool:
        lines = next(self.folder.glob("run/*/rasa.log")).read_text(encoding="utf-8").splitlines()
        return any(event in line and detail in line for line in lines)


@dataclass(frozen=True)
class Pair:
    """Both, their database and releases; `served` is which version is to have answered from when to when."""

    desks: tuple[Desk, Desk]
    database: str
    releases: Releases
    served: list[tuple[str, datetime, datetime]] = field(default_factory=list)

    def both_log(self, event: str, detail: str) -> None:
        until(lambda: all(desk.has_logged(event, detail) for desk in self.desks), WITHIN)

    def write_on(self, version: str) -> None:
        """Wait until each of the two has answered messages that came after the call; `version` is to answer them."""
        begins, begun = datetime.now(UTC), [desk.turns() for desk in self.desks]
        until(lambda: all(desk.turns() >= turns + TURNS for desk, turns in zip(self.desks, begun, strict=True)), WITHIN)
        self.served.append((version, begins, datetime.now(UTC)))


@pytest.fixture
def pair(postgresql_server: str, redis_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Start two as `make run` does, each with a folder of its own; the key that signs releases is in a third."""
    monkeypatch.setenv("POLYDESK_VAR", str(tmp_path))
    releases = Releases(fingerprint(find_encoder()), folder=tmp_path / "releases")
    shared = {"REDIS_URL": redis_server, "POLYDESK_RELEASES": str(releases.folder), "POLYDESK_SECRET": "shared" * 6}
    one, two = tmp_path / "one", tmp_path / "two"
    with (
        fresh_database(postgresql_server) as database,
        launched(one, database, **shared) as first,
        launched(two, database, **shared) as second,
    ):
        yield Pair((Desk(first, one), Desk(second, two)), database, releases)


def test_both_take_a_release_over_without_a_restart_or_a_lost_message_and_refuse_a_damaged_one(pair: Pair) -> None:
    shipped = read_manifest(SHIPPED).version
    processes = [desk.processes() for desk in pair.desks]
    one, two = ([desk.running.url] for desk in pair.desks)
    with Crowd(one, 1) as first, Crowd(two, 1) as second:
        pair.write_on(shipped)
        new = publish(pair.releases)
        pair.both_log("release_taken_over", new)
        pair.write_on(new)
        pointer = pair.releases.folder / MARKET / POINTER
        names_it = pointer.read_bytes()
        pair.releases.roll_back(MARKET)
        pair.both_log("release_taken_over", shipped)
        pair.write_on(shipped)
        served = pointer.with_name("1") / SERVED
        write_durably(served, served.read_bytes()[:-1])
        write_durably(pointer, names_it)
        pair.both_log("release_refused", f"{SERVED} is missing or damaged")
        pair.write_on(shipped)
    engine = open_engine(pair.database)
    settle(engine)

    outcome = look(engine, first.acknowledged | second.acknowledged, ())
    assert (outcome.lost, outcome.unanswered, outcome.answered_twice, outcome.apologies) == (0, 0, 0, 0), outcome
    with reading(engine) as session:
        stored = {f"{row.conversation_id}-{row.number}": row for row in session.execute(select(messages))}
        heard = [json.loads(data) for data in session.execute(HEARD).scalars()]
    assert Counter(event["message_id"] for event in heard) == Counter(stored.keys())
    versions = {event["message_id"]: event["parse_data"]["adapter"]["version"] for event in heard}
    assert set(versions.values()) == {shipped, new}
    for version, begins, ends in pair.served:
        within = {each for each, row in stored.items() if row.received_at >= begins and row.finished_at <= ends}
        assert {versions[each] for each in within} == {version}
    assert [desk.processes() for desk in pair.desks] == processes
    engine.dispose()


def publish(releases: Releases) -> str:
    """Let the shipped adapter serve in other bytes, as `promote` does after the gate; return its version.

    The encoder's part stays, and so its served form: to export it again would take longer than all the rest.
    """
    staged = releases.folder / MARKET / ".staged" / MARKET
    copy_adapter(SHIPPED, staged, change=the_same_in_other_bytes)
    shutil.copyfile(served_path(read_manifest(SHIPPED)), staged / SERVED)
    write_lineage(staged, Lineage())
    manifest = read_manifest(staged, encoder=releases.encoder)
    return releases.publish(MARKET, staged, manifest, reason=None, gate={}).version
