"""What is measured of a bot, and the figures of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import psutil

WARM_UP = 20
CONVERSATION = 10  # turns


@dataclass(frozen=True)
class Figures:
    """Turns in milliseconds, start in seconds, resident memory in megabytes."""

    turns: int
    median: float
    p95: float
    start: float
    memory: float


def time_turns(
    begin: Callable[[], object], say: Callable[[str], object], messages: Sequence[str], turns: int
) -> list[float]:
    """Return milliseconds of each turn, after a warm-up that is not counted.

    `begin` opens a new conversation every few turns, as customers do: Rasa reads all of one again at each of its turns.
    """
    taken = []
    for count in range(WARM_UP + turns):
        if count % CONVERSATION == 0:
            begin()
        began = perf_counter()
        say(messages[count % len(messages)])
        taken.append((perf_counter() - began) * 1000)
    return taken[WARM_UP:]


def figures(taken: Sequence[float], *, start: float, memory: float) -> Figures:
    """Sum up."""
    return Figures(len(taken), statistics.median(taken), statistics.quantiles(taken, n=20)[-1], start, memory)


def memory_of(process: psutil.Process) -> float:
    """Return the resident memory of a process and its children in megabytes."""
    family = [process, *process.children(recursive=True)]
    return sum(each.memory_info().rss for each in family) / 2**20
