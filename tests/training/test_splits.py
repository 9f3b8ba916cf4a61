"""Splits do not leak: not by customer, not by time, not by messages that are nearly the same; labels only grow."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from training.duplicates import plain_letters, shingles_of, similarity, without_near_duplicates
from training.splits import split_by_customer_and_time

START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = [
    "parcel",
    "invoice",
    "refund",
    "size",
    "colour",
    "address",
    "late",
    "broken",
    "wrong",
    "please",
    "today",
    "where",
    "my",
    "order",
    "the",
    "a",
    "need",
    "help",
    "with",
]


@dataclass(frozen=True)
class Said:
    customer: str
    at: datetime
    text: str


def history(seed: int, count: int = 400) -> list[Said]:
    chance = random.Random(seed)
    rows = []
    for n in range(count):
        text = " ".join(chance.sample(WORDS, 7)) + f" {n}"
        if chance.random() < 0.2 and rows:
            text = chance.choice(rows).text + chance.choice(["", "!", " ?", "."])
        rows.append(Said(f"customer {chance.randrange(60)}", START + timedelta(minutes=chance.randrange(10**5)), text))
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_no_customer_stands_on_two_sides(seed: int) -> None:
    splits = split_by_customer_and_time(history(seed))
    sides = [{row.customer for row in side} for side in (splits.training, splits.validation, splits.test)]
    assert splits.test and splits.training
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]


@pytest.mark.parametrize("seed", range(5))
def test_every_test_row_is_younger_than_every_other_row(seed: int) -> None:
    splits = split_by_customer_and_time(history(seed))
    assert max(row.at for row in [*splits.training, *splits.validation]) < min(row.at for row in splits.test)


@pytest.mark.parametrize("seed", range(5))
def test_no_row_is_nearly_the_same_as_one_on_another_side(seed: int) -> None:
    splits = split_by_customer_and_time(history(seed))
    trained = [shingles_of(plain_letters(row.text)) for row in [*splits.training, *splits.validation]]
    for row in splits.test:
        mine = shingles_of(plain_letters(row.text))
        assert max(similarity(mine, other) for other in trained) < 0.85


def test_all_rows_are_either_on_a_side_or_counted_as_left_out() -> None:
    rows = history(7)
    splits = split_by_customer_and_time(rows)
    assert len(splits.training) + len(splits.validation) + len(splits.test) + splits.left_out == len(rows)


def test_a_customer_validates_or_trains_as_before_when_more_rows_come() -> None:
    rows = sorted(history(3), key=lambda row: row.at)
    before, after = split_by_customer_and_time(rows[:250]), split_by_customer_and_time(rows)
    validating = {row.customer for row in before.validation}
    assert validating
    assert not validating & {row.customer for row in after.training}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Wo bleibt denn mein Paket, bitte?", "wo bleibt denn mein paket bitte"),
        ("I would like to return the blue shoes", "I would like to return the blue shoes!!"),
        ("我的包裹到底在哪里啊请帮我查一下", "我的包裹到底在哪里啊，请帮我查一下！"),
        ("أين طلبي الذي دفعت ثمنه أمس", "أين طلبي الذي دفعت ثمنه أمس؟"),
        ("मेरा ऑर्डर अभी तक क्यों नहीं आया है", "मेरा ऑर्डर अभी तक क्यों नहीं आया है?"),
    ],
)
def test_a_message_that_differs_by_a_sign_is_a_duplicate_in_every_script(first: str, second: str) -> None:
    assert without_near_duplicates([first, second], str) == [first]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("where is my order", "where is my refund"),
        ("yes", "yes please"),
        ("die Rechnung ist gekommen", "die Rechnung ist nicht gekommen"),
        ("订单在哪", "发票在哪"),
    ],
)
def test_a_message_that_means_something_else_is_kept(first: str, second: str) -> None:
    assert without_near_duplicates([first, second], str) == [first, second]
