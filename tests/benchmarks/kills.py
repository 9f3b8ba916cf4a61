"""Kills processes of running Polydesks at random moments, and looks in the database what became of the messages."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import psutil
from sqlalchemy import select
from sqlalchemy.engine import Engine

from actions.database import reading
from actions.tables import TicketRow
from bot.tables import WAITING, messages, replies

# What a child's command line has, by the name of the process.
PROCESSES = {"edge": "bot edge", "rasa": "rasa run", "actions": "actions.server"}
BACK_WITHIN = 240.0  # seconds
SETTLED_WITHIN = 300.0


@dataclass(frozen=True)
class Outage:
    """One kill: of what, when, and when `/health` of its Polydesk was 200 again."""

    process: str
    killed: datetime
    healthy: datetime


@dataclass(frozen=True)
class Outcome:
    """What became of the messages. `lost` were acknowledged and not stored, `unanswered` have no reply at the end.

    `slowest` is the longest that a message waited without a break while everything was healthy, in seconds.
    """

    acknowledged: int
    lost: int
    unanswered: int
    answered_twice: int
    effects: int
    effects_doubled: int
    effects_missing: int
    apologies: int
    slowest: float

    def figures(self) -> dict[str, float]:
        """Return the figures by the names that the report has for them."""
        return {
            "messages acknowledged": self.acknowledged,
            "lost": self.lost,
            "unanswered": self.unanswered,
            "answered twice": self.answered_twice,
            "effects": self.effects,
            "effects doubled": self.effects_doubled,
            "effects missing": self.effects_missing,
            "answered with an apology": self.apologies,
            "longest wait while all was healthy (s)": self.slowest,
        }


def child(launcher: int, process: str) -> psutil.Process | None:
    """Return a launcher's running process of this name."""
    for each in psutil.Process(launcher).children():
        try:
            if PROCESSES[process] in " ".join(each.cmdline()) and each.status() != psutil.STATUS_ZOMBIE:
                return each
        except psutil.NoSuchProcess:
            continue
    return None


def kill(launcher: int, url: str, process: str) -> Outage:
    """Kill a process as if the power went, and wait until its launcher's Polydesk is healthy again."""
    victim = child(launcher, process)
    assert victim is not None, f"there is no {process} to kill"
    killed = datetime.now(UTC)
    victim.kill()
    deadline = time.monotonic() + BACK_WITHIN
    while not ((new := child(launcher, process)) and new.pid != victim.pid and healthy(url)):
        assert time.monotonic() < deadline, f"{process} did not come back"
        time.sleep(0.2)
    return Outage(process, killed, datetime.now(UTC))


def healthy(url: str) -> bool:
    """Tell whether `/health` is 200."""
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def kill_at_random(
    launchers: Sequence[tuple[int, str]], count: int, *, chance: random.Random, apart: float
) -> list[Outage]:
    """Kill edge, Rasa and actions in turn, each at a random moment under load, up to so many seconds after the last."""
    outages = []
    for number in range(count):
        time.sleep(chance.uniform(0.5, apart))
        launcher, url = chance.choice(launchers)
        outages.append(kill(launcher, url, list(PROCESSES)[number % len(PROCESSES)]))
    return outages


def settle(engine: Engine) -> None:
    """Wait until no message waits, or long enough."""
    deadline = time.monotonic() + SETTLED_WITHIN
    waiting = select(messages.c.id).where(messages.c.state == WAITING).limit(1)
    while time.monotonic() < deadline:
        with reading(engine) as session:
            if session.execute(waiting).first() is None:
                return
        time.sleep(0.2)


def look(engine: Engine, acknowledged: set[str], outages: Sequence[Outage]) -> Outcome:
    """Compare what was acknowledged with what is in the database."""
    with reading(engine) as session:
        theirs = select(messages.c.conversation_id).where(messages.c.message_id.in_(acknowledged)).distinct()
        mine = set(session.execute(theirs).scalars())
        taken = session.execute(select(messages).where(messages.c.conversation_id.in_(mine))).all()
        said = session.execute(select(replies).where(replies.c.conversation_id.in_(mine))).all()
        complaints = select(TicketRow.conversation).where(TicketRow.kind == "complaint")
        opened = Counter(session.execute(complaints.where(TicketRow.conversation.in_(mine))).scalars())
    texts = Counter((row.answers, row.text) for row in said if row.answers)
    done_complaints = [row for row in taken if row.intent == "complaint" and row.state == "done"]
    asked = Counter(row.conversation_id for row in done_complaints)
    return Outcome(
        acknowledged=len(acknowledged),
        lost=len(acknowledged - {row.message_id for row in taken}),
        unanswered=len({row.id for row in taken} - {row.answers for row in said}),
        answered_twice=sum(times > 1 for times in texts.values()),
        effects=sum(opened.values()),
        effects_doubled=sum((opened - asked).values()),
        effects_missing=sum((asked - opened).values()),
        apologies=sum(row.name == "edge_apology" for row in said),
        slowest=max(
            (longest_wait(row.received_at, row.finished_at, outages) for row in taken if row.finished_at), default=0.0
        ),
    )


def longest_wait(received: datetime, finished: datetime, outages: Sequence[Outage]) -> float:
    """Return the longest time, in seconds, from a message or the end of an outage to the answer or the next kill."""
    begins = [received, *(each.healthy for each in outages)]
    ends = [*(each.killed for each in outages), finished]
    waits = (min(end, finished) - max(begin, received) for begin, end in zip(begins, ends, strict=True))
    return max(wait.total_seconds() for wait in waits)
