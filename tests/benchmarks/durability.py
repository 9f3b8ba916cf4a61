"""`python -m tests.benchmarks.durability`: what a Polydesk promises never to lose or to double, under kills and load.

    --kills 50          kill -9 of edge, Rasa and actions at random moments while customers send
    --pairs 6           the same with two edges, two Rasas, two action servers on PostgreSQL and Redis
    --ids 500           each message five times, twenty at once
    --senders 20        fifty messages at once from each
    --sockets 200 --minutes 5   a message each every twenty seconds
    --disconnects 300   in the middle of a reply
    --write             put the figures into docs/benchmarks.md as well

Everything is done by default; 0 leaves a part out. Prints a table of each part; 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import Engine

from actions.database import open_engine
from tests.benchmarks.customers import Crowd
from tests.benchmarks.durability_report import Part, write_part
from tests.benchmarks.kills import kill_at_random, look, settle
from tests.benchmarks.launched import launched
from tests.benchmarks.load import Figures, burst, disconnects, repeated, sockets
from tests.conftest import fresh_database
from tests.services import postgresql, redis

CUSTOMERS = 6
APART = 20.0  # seconds; longer than an answer may take, so that a wait is not cut off by the next kill
SECRET = "signs the sessions of this benchmark"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the report if asked to; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.durability",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, plan in PLANS.items():
        parser.add_argument(f"--{name}", type=int, default=plan.size)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    missed, load = False, os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="polydesk-durability-") as folder:
        for name, plan in PLANS.items():
            if not getattr(options, name):
                continue
            figures = plan.measure(Path(folder) / name, options)
            part = Part(name, plan.title.format_map(vars(options)), options.seed, load, figures)
            sys.stdout.write("\n".join([*part.lines, "", ""]))
            sys.stdout.flush()
            if options.write:
                write_part(part)
            missed = missed or bool(part.missed)
    return int(missed)


def kills(folder: Path, options: argparse.Namespace) -> Figures:
    """Kill the processes of one Polydesk while customers write."""
    with desk(folder) as (url, launcher, engine):
        with Crowd([url], CUSTOMERS) as crowd:
            chance = random.Random(options.seed)
            outages = kill_at_random([(launcher, url)], options.kills, chance=chance, apart=APART)
        settle(engine)
        return look(engine, crowd.acknowledged, outages).figures()


def pairs(folder: Path, options: argparse.Namespace) -> Figures:
    """Kill the processes of two Polydesks that share PostgreSQL and Redis."""
    with postgresql() as server, fresh_database(server) as database, redis() as cache:
        shared = {"REDIS_URL": cache, "POLYDESK_SECRET": SECRET}
        with (
            launched(folder / "1", database, **shared) as one,
            launched(folder / "2", database, **shared) as two,
        ):
            both = [(one.launcher, one.url), (two.launcher, two.url)]
            with Crowd([one.url, two.url], CUSTOMERS) as crowd:
                chance = random.Random(options.seed)
                outages = kill_at_random(both, options.pairs, chance=chance, apart=APART)
            engine = open_engine(database)
            settle(engine)
            outcome = look(engine, crowd.acknowledged, outages)
            engine.dispose()
            return outcome.figures()


@contextmanager
def desk(folder: Path) -> Iterator[tuple[str, int, Engine]]:
    """Run one Polydesk on SQLite; give its address, its launcher's process id and its database."""
    database = f"sqlite:///{folder}/polydesk.db"
    with launched(folder, database) as one:
        engine = open_engine(database)
        yield one.url, one.launcher, engine
        engine.dispose()


def ids(folder: Path, options: argparse.Namespace) -> Figures:
    """Deliver messages again and again."""
    with desk(folder) as (url, _, engine):
        return repeated(url, engine, options.ids)


def senders(folder: Path, options: argparse.Namespace) -> Figures:
    """Send many messages at once."""
    with desk(folder) as (url, _, _):
        return burst(url, options.senders)


def steady(folder: Path, options: argparse.Namespace) -> Figures:
    """Hold many sockets open."""
    with desk(folder) as (url, _, _):
        return sockets(url, options.sockets, minutes=options.minutes)


def broken(folder: Path, options: argparse.Namespace) -> Figures:
    """Break connections."""
    with desk(folder) as (url, _, engine):
        return disconnects(url, engine, options.disconnects)


@dataclass(frozen=True)
class Plan:
    """One part: how many by default, the title of its table, and how it is measured in a folder of its own."""

    size: int
    title: str
    measure: Callable[[Path, argparse.Namespace], Figures]


PLANS = {
    "kills": Plan(50, "{kills} times kill -9 of edge, Rasa or actions, on SQLite", kills),
    "pairs": Plan(6, "{pairs} times kill -9, two of each, on PostgreSQL and Redis", pairs),
    "ids": Plan(500, "{ids} messages five times each, twenty at once", ids),
    "senders": Plan(20, "{senders} senders with fifty messages at once each", senders),
    "sockets": Plan(200, "{sockets} sockets for {minutes:g} minutes, a message each every twenty seconds", steady),
    "disconnects": Plan(300, "{disconnects} disconnects in a reply", broken),
}


if __name__ == "__main__":
    sys.exit(main())
