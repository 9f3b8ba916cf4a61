"""Our held-back messages, by other writers than the examples: which of them may judge which adapter.

A market's adapter learns from every other held-back message of its own languages; the rest calibrates and judges it,
and those of the other languages, which it never sees, judge it. The global adapter learns from none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from training.dataset import Example, read_examples

HELD_BACK = Path("training/examples/held_back")


class Halves(NamedTuple):
    """The messages of one language that its market learns from, and those that judge it."""

    learned: list[Example]
    judging: list[Example]


def halves(held_back: Sequence[Example]) -> Halves:
    """Divide one language's held-back messages so that both halves have each label."""
    rows = sorted(held_back, key=lambda example: (example.intent or "", example.sentiment or ""))
    return Halves(rows[::2], rows[1::2])


def judging_rows(own_languages: Collection[str], *, folder: Path = HELD_BACK) -> list[Example]:
    """Return the rows that may judge an adapter which learned from its own languages' other half."""
    rows = read_examples([folder])
    own = [halves([row for row in rows if row.language == language]).judging for language in own_languages]
    return [row for part in own for row in part] + [row for row in rows if row.language not in own_languages]


def learned_rows(own_languages: Collection[str], *, folder: Path = HELD_BACK) -> list[Example]:
    """Return the held-back rows of its own languages that a market's adapter learns from."""
    rows = read_examples([folder])
    own = [halves([row for row in rows if row.language == language]).learned for language in own_languages]
    return [row for part in own for row in part]
