"""The threshold, which neither luck nor the validation's share of strangers sets; the signs of out-of-scope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nlu.heads import Floats, Heads, HeadSettings
from training.calibrate import USUAL_THRESHOLD, calibrate, prototypes
from training.dataset import OUT_OF_SCOPE, Example
from training.outliers import BORROWED

INTENTS = ("cancel", "track")
KNOWN, STRANGE, FAR = 3.0, 1.0, 0.05  # how far along its intent's axis a message lies
SPREAD = 0.6


def heads_of_two_axes() -> Heads:
    """Return heads whose intents are the axes of a plane."""
    axes = np.eye(2, dtype=np.float32)
    none = np.zeros((0, 2), dtype=np.float32)
    zero = np.zeros(2, dtype=np.float32)
    return Heads(HeadSettings(INTENTS, (), False), axes, zero, none, none[:, 0], axes, none)


def messages(count: int, length: float, intent: str | None = None, *, seed: int, source: str = "") -> tuple[
    Floats, list[Example]
]:
    """Return vectors [count, 2] at about a length along the axes in turn, labelled by their axis or as told."""
    chance = np.random.default_rng(seed)
    vectors = np.zeros((count, 2), dtype=np.float32)
    axes = np.arange(count) % 2
    vectors[np.arange(count), axes] = length + SPREAD * chance.standard_normal(count)
    return vectors, [Example("text", intent or INTENTS[axis], source=source) for axis in axes]


def threshold(*parts: tuple[Floats, list[Example]]) -> float:
    """Return the raw confidence below which calibrated heads answer "out of scope"."""
    pooled = np.concatenate([vectors for vectors, _ in parts])
    return calibrate(heads_of_two_axes(), pooled, [row for _, rows in parts for row in rows]).settings.threshold


def kept(at: float, heads: Heads, vectors: Floats) -> float:
    """Return the share of messages whose raw confidence reaches a threshold."""
    raw = replace(heads, settings=replace(heads.settings, threshold=0.5)).score(vectors, [""] * len(vectors)).confidence
    return float((raw >= at).mean())


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_parts_known_messages_from_strangers_of_the_same_kind(seed: int) -> None:
    known, strange = messages(40, KNOWN, seed=seed), messages(40, STRANGE, OUT_OF_SCOPE, seed=seed + 100)
    pooled = np.concatenate([known[0], strange[0]])
    heads = calibrate(heads_of_two_axes(), pooled, [*known[1], *strange[1]])
    at = heads.settings.threshold
    assert kept(at, heads, messages(500, KNOWN, seed=seed + 200)[0]) > 0.85
    assert kept(at, heads, messages(500, STRANGE, seed=seed + 300)[0]) < 0.25


def test_small_samples_of_the_same_messages_give_about_the_same_threshold() -> None:
    found = [
        threshold(messages(26, KNOWN, seed=seed), messages(30, STRANGE, OUT_OF_SCOPE, seed=seed + 100))
        for seed in range(20)
    ]
    assert np.std(found) < 0.1


def test_few_rows_stay_near_the_usual_threshold_and_many_set_their_own() -> None:
    parts = messages(40, KNOWN, seed=1), messages(40, 2.5, OUT_OF_SCOPE, seed=2)
    same = [(vectors.repeat(100, axis=0), [row for row in rows for _ in range(100)]) for vectors, rows in parts]
    own = threshold(*same)
    assert abs(own - USUAL_THRESHOLD) > 0.1
    assert abs(threshold(*parts) - USUAL_THRESHOLD) < 0.8 * abs(own - USUAL_THRESHOLD)


def test_the_share_of_strangers_in_the_validation_does_not_set_the_threshold() -> None:
    known, strange = messages(200, KNOWN, seed=1), messages(400, STRANGE, OUT_OF_SCOPE, seed=2)
    few = strange[0][:40], strange[1][:40]
    assert abs(threshold(known, strange) - threshold(known, few)) < 0.1


def test_borrowed_strangers_that_are_far_from_everything_do_not_make_the_threshold_lax() -> None:
    known, strange = messages(60, KNOWN, seed=1), messages(40, STRANGE, OUT_OF_SCOPE, seed=2)
    pooled = np.concatenate([known[0], strange[0]])
    heads = calibrate(heads_of_two_axes(), pooled, [*known[1], *strange[1]])
    far, rows = messages(300, FAR, OUT_OF_SCOPE, seed=3, source=BORROWED)
    more = calibrate(heads_of_two_axes(), np.concatenate([pooled, far]), [*known[1], *strange[1], *rows])
    others = messages(500, STRANGE, seed=4)[0]
    assert kept(more.settings.threshold, more, others) < kept(heads.settings.threshold, heads, others) + 0.03


def test_without_strangers_all_but_a_few_known_messages_are_kept() -> None:
    known = messages(200, KNOWN, seed=1)
    heads = calibrate(heads_of_two_axes(), *known)
    assert 0.9 <= kept(heads.settings.threshold, heads, known[0]) <= 0.97


def test_an_intent_with_messages_in_two_places_has_a_prototype_in_each() -> None:
    places = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    vectors, rows = places.repeat(3, axis=0), [Example("text", "track")] * 6
    found = prototypes(np.concatenate([vectors, [[5.0, 5.0]]]), [*rows, Example("text", "cancel")], INTENTS)
    assert sorted(map(tuple, found.tolist())) == [(0.0, 1.0), (1.0, 0.0), (5.0, 5.0)]


def test_borrowed_strangers_alone_turn_no_signal_round() -> None:
    axes = np.eye(3, dtype=np.float32)  # two intents and the row of out-of-scope, which borrowed messages are near
    none = np.zeros((0, 3), dtype=np.float32)
    settings = HeadSettings(INTENTS, (), has_out_of_scope_row=True)
    heads = Heads(settings, axes, np.zeros(3, dtype=np.float32), none, none[:, 0], axes[:2], axes[:2])

    def placed(part: tuple[Floats, list[Example]], up: float) -> Floats:
        noise = 0.3 * np.random.default_rng(5).standard_normal((len(part[0]), 1)).astype(np.float32)
        return np.concatenate([part[0], up + noise], axis=1)

    # As loud as the known ones or louder: that they are far is told by the row of out-of-scope alone.
    known, far = messages(200, KNOWN, seed=1), messages(200, KNOWN + 1, OUT_OF_SCOPE, seed=2, source=BORROWED)
    pooled = np.concatenate([placed(known, 0.0), placed(far, 8.0)])
    assert min(calibrate(heads, pooled, [*known[1], *far[1]]).settings.out_of_scope_weights) > 0
