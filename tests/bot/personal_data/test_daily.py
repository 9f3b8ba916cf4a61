from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from bot.chores import LEASE, Chore
from bot.personal_data.daily import EVERY, PUT_OFF, QUIET, DailyPurge
from bot.tables import chores, conversations
from nlu.markets import load_markets
from tests.bot.edge_for_tests import edge_on
from tests.bot.fake_rasa import FakeRasa
from tests.bot.personal_data.people_for_tests import ANNAS, EVAS, NOW, House
from tests.bot.waiting import until

MINUTE = timedelta(minutes=1)


class Hour:
    """A clock that stands until it is put forward."""

    def __init__(self) -> None:
        self.now = NOW + QUIET + MINUTE

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time


def share(house: House, hour: Hour) -> DailyPurge:
    """Return one more edge's share."""
    return DailyPurge(house.engine, str(house.engine.url), load_markets(), clock=hour)


def last_done(engine: Engine) -> datetime:
    with reading(engine) as session:
        return session.execute(select(chores.c.done_at)).scalar_one()  # type: ignore[no-any-return]


def test_the_running_bot_deletes_what_is_too_old_by_itself(house: House, rasa: FakeRasa, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with transaction(house.engine) as session:
        session.execute(chores.insert().values(name="purge", done_at=now - EVERY - MINUTE))
        for conversation, heard in ((ANNAS, timedelta(days=3000)), (EVAS, QUIET + MINUTE)):
            this = update(conversations).where(conversations.c.id == conversation)
            session.execute(this.values(last_customer_at=now - heard))
    with edge_on(house.engine.url.render_as_string(hide_password=False), rasa, tmp_path):
        until(lambda: last_done(house.engine) > now)
    left = house.contents()

    assert [row.id for row in left["conversations"]] == [EVAS]
    assert {row["conversation"] for row in left["dialogue"]} <= {EVAS}


def test_it_begins_a_day_after_the_first_start_and_is_done_once_a_day(house: House) -> None:
    hour = Hour()
    first_start = share(house, hour).begin()
    hour.pass_by(EVERY - MINUTE)
    too_early = share(house, hour).begin()
    hour.pass_by(2 * MINUTE)

    assert (first_start, too_early, share(house, hour).begin()) == (False, False, True)


def test_one_edge_does_it_at_a_time_and_another_where_that_one_has_died(house: House) -> None:
    hour = Hour()
    share(house, hour).begin()
    hour.pass_by(EVERY)
    edges = [share(house, hour) for _ in range(8)]
    with ThreadPoolExecutor(len(edges)) as pool:
        begun = list(pool.map(DailyPurge.begin, edges))
    hour.pass_by(LEASE + MINUTE)

    assert sorted(begun) == [False] * 7 + [True]
    assert share(house, hour).begin()


def test_who_has_lost_the_claim_does_not_go_on(house: House) -> None:
    slow, other = Chore(house.engine, "purge"), Chore(house.engine, "purge")
    slow.begin(NOW, after=EVERY)
    assert slow.begin(NOW + EVERY, after=EVERY) and slow.go_on(NOW + EVERY + LEASE)
    assert not other.begin(NOW + EVERY + LEASE, after=EVERY)
    assert other.begin(NOW + EVERY + 3 * LEASE, after=EVERY)

    assert not slow.go_on(NOW + EVERY + 3 * LEASE)
    slow.done(NOW + EVERY + 3 * LEASE)
    assert last_done(house.engine) == NOW
    other.done(NOW + EVERY + 4 * LEASE)
    assert last_done(house.engine) == NOW + EVERY + 4 * LEASE


def test_it_waits_for_a_quiet_moment_but_not_for_ever(house: House) -> None:
    hour = Hour()
    share(house, hour).begin()
    hour.pass_by(EVERY)
    somebody_writes(house, hour.now)
    at_once = share(house, hour).begin()
    hour.pass_by(PUT_OFF)
    somebody_writes(house, hour.now)

    assert (at_once, share(house, hour).begin()) == (False, True)


def somebody_writes(house: House, at: datetime) -> None:
    with transaction(house.engine) as session:
        session.execute(update(conversations).values(last_customer_at=at))
