"""`python -m tests.benchmarks.durability`: what a Polydesk promises never to lose or to double, under kills and load.

    --kills 50          kill -9 of edge, Rasa and actions at random moments while customers send
    --pairs 6           the same with two edges, two Rasas, two action servers on PostgreSQL and Redis
    --ids 500           each message five times, twenty at once
    --senders 20        fifty messages at once from each
    --sockets 200 --minutes 5   a message each every twenty seconds
    --disconnects 300   in the middle of a reply

Everything is done by default; 0 leaves a part out. Prints a table.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from actions.database import open_engine
from tests.benchmarks.customers import Crowd
from tests.benchmarks.kills import Outcome, kill_at_random, look, settle
from tests.benchmarks.launched import launched
from tests.benchmarks.load import burst, disconnects, repeated, sockets
from tests.conftest import fresh_database
from tests.services import postgresql, redis

CUSTOMERS = 6
APART = 20.0  # seconds; longer than an answer may take, so that a wait is not cut off by the next kill
HEAD = (
    "| what | acknowledged | lost | unanswered | answered twice | effects | doubled | missing | apologies"
    " | slowest answer (s) |"
)
SECRET = "signs the sessions of this benchmark"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.durability",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = {"kills": 50, "pairs": 6, "ids": 500, "senders": 20, "sockets": 200, "minutes": 5, "disconnects": 300}
    for name, default in parts.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="polydesk-durability-") as folder:
        if options.kills:
            _print_outcome(f"{options.kills} kills, SQLite", kills(Path(folder) / "one", options.kills, chance))
        if options.pairs:
            _print_outcome(f"{options.pairs} kills, two of each", pairs(Path(folder) / "two", options.pairs, chance))
        if options.ids or options.senders or options.sockets or options.disconnects:
            load(Path(folder) / "load", options)
    return 0


def kills(folder: Path, count: int, chance: random.Random) -> Outcome:
    """Kill the processes of one Polydesk while customers write."""
    database = f"sqlite:///{folder}/polydesk.db"
    with launched(folder, database) as one:
        with Crowd([one.url], CUSTOMERS) as crowd:
            outages = kill_at_random([(one.launcher, one.url)], count, chance=chance, apart=APART)
        engine = open_engine(database)
        settle(engine)
        return look(engine, crowd.acknowledged, outages)


def pairs(folder: Path, count: int, chance: random.Random) -> Outcome:
    """Kill the processes of two Polydesks that share PostgreSQL and Redis."""
    with postgresql() as server, fresh_database(server) as database, redis() as cache:
        shared = {"REDIS_URL": cache, "POLYDESK_SECRET": SECRET}
        with (
            launched(folder / "1", database, **shared) as one,
            launched(folder / "2", database, **shared) as two,
        ):
            both = [(one.launcher, one.url), (two.launcher, two.url)]
            with Crowd([one.url, two.url], CUSTOMERS) as crowd:
                outages = kill_at_random(both, count, chance=chance, apart=APART)
            engine = open_engine(database)
            settle(engine)
            outcome = look(engine, crowd.acknowledged, outages)
            engine.dispose()
            return outcome


def load(folder: Path, options: argparse.Namespace) -> None:
    """Measure one Polydesk that nobody kills."""
    database = f"sqlite:///{folder}/polydesk.db"
    with launched(folder, database) as one:
        engine = open_engine(database)
        if options.ids:
            _print(f"{options.ids} ids five times, twenty at once", repeated(one.url, engine, options.ids))
        if options.senders:
            _print(f"fifty messages at once from {options.senders} senders", burst(one.url, options.senders))
        if options.sockets:
            _print(
                f"{options.sockets} sockets for {options.minutes} minutes",
                sockets(one.url, options.sockets, minutes=options.minutes),
            )
        if options.disconnects:
            _print(f"{options.disconnects} disconnects in a reply", disconnects(one.url, engine, options.disconnects))
        engine.dispose()


def _print_outcome(name: str, outcome: Outcome) -> None:
    figures = [f"{each:.1f}" if isinstance(each, float) else str(each) for each in astuple(outcome)]
    sys.stdout.write(f"{HEAD}\n{'|---' * 10}|\n| {name} | {' | '.join(figures)} |\n\n")
    sys.stdout.flush()


def _print(name: str, figures: dict[str, float]) -> None:
    sys.stdout.write(f"{name}: {', '.join(f'{key} {value:g}' for key, value in figures.items())}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
