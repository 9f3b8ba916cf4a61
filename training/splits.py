"""Splits customers' messages into training, validation and test rows so that nothing leaks. Touches nothing.

All of a customer's messages stand on one side; test rows are younger than every other row; no row is nearly the same as
one on another side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Generic, Protocol, TypeVar

from training.duplicates import without_near_duplicates


class CustomerMessage(Protocol):
    """What a split has to know of a row."""

    @property
    def customer(self) -> str:
        """Who wrote it."""

    @property
    def at(self) -> datetime:
        """When."""

    @property
    def text(self) -> str:
        """What."""


Row = TypeVar("Row", bound=CustomerMessage)


@dataclass(frozen=True)
class Splits(Generic[Row]):
    """The rows of each side, oldest first. `left_out` counts near-duplicates and test customers' older messages."""

    training: list[Row]
    validation: list[Row]
    test: list[Row]
    left_out: int


def split_by_customer_and_time(
    rows: Iterable[Row], *, test_share: float = 0.2, validation_share: float = 0.1
) -> Splits[Row]:
    """Split so that test rows come later in time than the others and no customer stands on two sides.

    The youngest `test_share` of the rows opens the test; who wrote one of them is a test customer, and her older
    messages are left out. Which of the other customers validate is decided by a hash of who they are, so that it stays
    as it was when more rows come.
    """
    all_rows = sorted(rows, key=lambda row: row.at)
    distinct = without_near_duplicates(all_rows, lambda row: row.text)
    cut = _cut(distinct, test_share)
    test_customers = {row.customer for row in distinct if cut is not None and row.at >= cut}
    sides: dict[str, list[Row]] = defaultdict(list)
    for row in distinct:
        sides[_side(row, cut, test_customers, validation_share)].append(row)
    kept = sum(len(sides[name]) for name in ("training", "validation", "test"))
    return Splits(sides["training"], sides["validation"], sides["test"], left_out=len(all_rows) - kept)


def _cut(rows: Sequence[CustomerMessage], share: float) -> datetime | None:
    """Return the moment at which the test begins; rows of the same moment stand on the same side of it."""
    test_rows = int(len(rows) * share)
    return rows[-test_rows].at if test_rows else None


def _side(row: CustomerMessage, cut: datetime | None, test_customers: set[str], validation_share: float) -> str:
    if cut is not None and row.at >= cut:
        return "test"
    if row.customer in test_customers:
        return "left out"
    share = int.from_bytes(sha256(row.customer.encode()).digest()[:8], "big") / 2**64
    return "validation" if share < validation_share else "training"
