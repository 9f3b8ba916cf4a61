"""Has what is too old deleted once a day by the running bot, at a quiet moment, by one edge at a time.

In steps: an edge that is stopped on the way leaves the rest to the next. Touches both databases, through connections of
its own that leave no trace of what they delete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from actions.database import reading
from bot.chores import Chore
from bot.handoff import Clock, utc_now
from bot.personal_data.erasure import Busy, Erased, Erasure, empty_log, open_both
from bot.personal_data.lineage import learned_from
from bot.personal_data.retention import METHOD, purge_in_steps
from bot.tables import conversations
from bot.watch import Watch
from nlu.markets import Markets
from nlu.releases import releases_folder

EVERY = timedelta(days=1)
QUIET = timedelta(minutes=5)  # since a customer last wrote
PUT_OFF = timedelta(hours=6)  # at most, where it never is quiet
LOOKS_EVERY = 60.0  # seconds


class DailyPurge:
    """One edge's share of it; a day after the bot's first start at the earliest."""

    def __init__(self, engine: Engine, database_url: str, markets: Markets, *, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._database_url = database_url
        self._markets = markets
        self._clock = clock
        self._chore = Chore(engine, METHOD)
        self._watch = Watch(METHOD, self._look, longest=LOOKS_EVERY)

    def start(self) -> None:
        """Begin to look whether it is time."""
        self._watch.start()

    async def stop(self) -> None:
        """Stop looking; a purge that is under way ends with its present step."""
        await self._watch.stop()

    def begin(self) -> bool:
        """Take it on if it is time, and no other edge does it."""
        now = self._clock()
        with reading(self._engine) as session:
            last: datetime | None = session.execute(select(func.max(conversations.c.last_customer_at))).scalar_one()
        is_quiet = last is None or now - last > QUIET
        return self._chore.begin(now, after=EVERY if is_quiet else EVERY + PUT_OFF)

    async def _look(self) -> bool:
        if await asyncio.to_thread(self.begin):
            await self._purge()
        return False

    async def _purge(self) -> None:
        done, steps = Erased(), self._steps()
        try:
            while (step := await asyncio.to_thread(next, steps, None)) is not None:
                done.add(step)
                if not await asyncio.to_thread(self._chore.go_on, self._clock()):
                    return
        except Busy:
            structlog.get_logger().warning("purge.busy")  # the claim runs out, and it is tried again
            return
        await asyncio.to_thread(self._chore.done, self._clock())
        structlog.get_logger().info("purge.done", **done.rows)

    def _steps(self) -> Iterator[Erased]:
        engine, tracker = open_both(self._database_url)
        engines = [each for each in (engine, tracker.engine) if each is not None]
        erasure = Erasure(engine, tracker, learned=partial(learned_from, releases_folder()))
        try:
            yield from purge_in_steps(engine, tracker, erasure, self._markets, now=self._clock())
            for each in engines:
                empty_log(each)
        finally:
            for each in engines:
                each.dispose()
