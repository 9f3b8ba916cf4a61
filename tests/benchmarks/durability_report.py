"""How the durability benchmark says what it found: one small table for each part, and what was aimed at.

Writes `docs/benchmarks.md` between the marks of the part, when told to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.marked_report import REPORT, machine, write_between_marks

# The most that a figure may be; the others only tell how much was done.
GOALS: Mapping[str, float] = {
    "lost": 0,
    "unanswered": 0,
    "answered twice": 0,
    "effects doubled": 0,
    "effects missing": 0,
    "longest wait while all was healthy (s)": 15,
    "different answers to one id": 0,
    "dropped": 0,
    "doubled": 0,
    "misdelivered": 0,
    "out of order": 0,
    "acknowledged, 99th percentile (s)": 1,
    "answered, 95th percentile (s)": 2,
    "gaps": 0,
}


@dataclass(frozen=True)
class Part:
    """One part of the benchmark that was run; `load` is the machine's before, `figures` by their names."""

    name: str
    title: str
    seed: int
    load: float
    figures: Mapping[str, float]

    @property
    def missed(self) -> list[str]:
        """The figures that are not what was aimed at."""
        return [name for name, figure in self.figures.items() if figure > GOALS.get(name, figure)]

    @property
    def lines(self) -> list[str]:
        """The part in Markdown."""
        return [
            f"### {self.title}",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, load {self.load:.1f} before, seed {self.seed}.",
            "",
            "| | figure | goal |",
            "|---|---|---|",
            *(f"| {name} | {_text(figure)} | {_goal(name)} |" for name, figure in self.figures.items()),
        ]


def write_part(part: Part, report: Path = REPORT) -> None:
    """Put a part in place of the older one; what else stands in the file is left."""
    mark = f"<!-- durability: {part.name} -->"
    write_between_marks(report, mark, [mark, *part.lines, mark])


def _goal(name: str) -> str:
    if name not in GOALS:
        return ""
    return f"at most {GOALS[name]:g}" if GOALS[name] else "0"


def _text(figure: float) -> str:
    return f"{figure:.2f}" if isinstance(figure, float) else f"{figure:,}"
