"""Which messages are borrowed as strangers: none that the set's own customers may send, and none rather than a few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nlu.heads import Floats
from training.dataset import OUT_OF_SCOPE, Example
from training.outliers import BORROWED, FEWEST, borrow_outliers

TOPICS, SPREAD = 40, 20


def _embed(texts: Sequence[str]) -> Floats:
    """Place a text on its topic's axis, and as far from there as it says, in a direction of its own."""
    vectors = np.zeros((len(texts), TOPICS + SPREAD), dtype=np.float32)
    for row, (_, topic, far, number) in enumerate(text.split() for text in texts):
        vectors[row, int(topic)] = 1
        direction = np.random.default_rng(int(number)).normal(size=SPREAD)
        vectors[row, TOPICS:] = float(far) * direction / np.linalg.norm(direction)
    return vectors


def _about(label: str, topic: int, numbers: Sequence[int], *, far: float = 0.5) -> list[Example]:
    return [Example(f"{label} {topic} {far} {number}", label, "neutral", "de") for number in numbers]


def _own(*, far: float = 0.5) -> list[Example]:
    return [row for topic in range(6) for row in _about(f"own{topic}", topic, range(10), far=far)]


def _strange(rows: int = 20, *, intents: int = 8) -> list[Example]:
    """Give intents whose messages have nothing to do with the set's topics, and not much with each other."""
    return [
        row
        for intent in range(intents)
        for number in range(rows)
        for row in _about(f"strange{intent}", 10 + (intent + number) % 30, [1000 * intent + number])
    ]


def _borrowed(own: Sequence[Example], pool: Sequence[Example], wanted: int = 1000) -> list[Example]:
    rows = borrow_outliers(own, pool, _embed, wanted=wanted, seed=0)
    assert {(row.intent, row.sentiment, row.source) for row in rows} <= {(OUT_OF_SCOPE, None, BORROWED)}
    return rows


def _labels(rows: Sequence[Example]) -> set[str]:
    return {row.text.split()[0] for row in rows}


def test_messages_near_the_sets_own_are_left_out_whatever_their_label() -> None:
    near = [row for topic in range(6) for row in _about(OUT_OF_SCOPE, topic, range(5000, 5050), far=0.1)]
    far = _about(OUT_OF_SCOPE, 39, range(600, 620))
    found = [row.text for row in _borrowed(_own(), [*_strange(), *near, *far])]
    assert not set(found) & {row.text for row in near}
    assert set(found) & {row.text for row in far}


@pytest.mark.parametrize("far", [0.02, 0.5])
def test_an_intent_that_may_mean_the_same_is_left_out_however_alike_the_sets_messages_are(far: float) -> None:
    same = _about("same", 3, range(700, 720), far=1.5)
    nearer = _about(OUT_OF_SCOPE, 2, range(5000, 5300), far=0.5)  # so that those are of the farther half
    found = _labels(_borrowed(_own(far=far), [*_strange(), *same, *nearer]))
    assert "same" not in found
    assert len(found) > 5


def test_of_the_rest_the_farther_half_is_borrowed() -> None:
    farther, nearer = _strange(40), _about(OUT_OF_SCOPE, 2, range(700, 1020), far=2.0)
    own = _own(far=0.02)  # to which nothing is near that differs at all
    assert _labels(_borrowed(own, [*farther, *nearer])) <= _labels(farther)


def test_an_intent_with_the_name_of_one_of_the_sets_is_left_out() -> None:
    own = [*_own(), *_about("STRANGE_3", 7, range(10))]
    assert "strange3" in _labels(_borrowed(_own(), _strange()))
    assert "strange3" not in _labels(_borrowed(own, _strange()))


def test_fewer_than_tell_anything_are_not_borrowed() -> None:
    assert not _borrowed(_own(), _strange(4, intents=5))
    assert len(_borrowed(_own(), _strange(20, intents=5))) >= FEWEST


def test_no_more_are_borrowed_than_wanted_and_the_same_again() -> None:
    rows = borrow_outliers(_own(), _strange(), _embed, wanted=7, seed=3)
    assert len(set(rows)) == 7
    assert rows == borrow_outliers(_own(), _strange(), _embed, wanted=7, seed=3)
    assert rows != borrow_outliers(_own(), _strange(), _embed, wanted=7, seed=4)


def test_of_a_large_pool_a_part_is_looked_at_that_holds_enough() -> None:
    embedded: list[str] = []

    def embed(texts: Sequence[str]) -> Floats:
        embedded.extend(texts)
        return _embed(texts)

    pool = _strange(4000)
    assert len(borrow_outliers(_own(), pool, embed, wanted=500, seed=0)) == 500
    assert len(embedded) < len(pool) / 10
