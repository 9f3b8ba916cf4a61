"""Scores from pooled vectors: probabilities, the scaled confidence, the out-of-scope score."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from nlu.heads import Heads, HeadSettings, scale_confidence


@pytest.fixture
def heads() -> Heads:
    chance = np.random.default_rng(0)
    settings = HeadSettings(("a", "b", "c"), ("negative", "neutral"), has_out_of_scope_row=True, threshold=0.4)
    return Heads(
        settings=settings,
        intent_weight=chance.normal(size=(4, 8)).astype(np.float32),
        intent_bias=np.zeros(4, dtype=np.float32),
        sentiment_weight=chance.normal(size=(2, 8)).astype(np.float32),
        sentiment_bias=np.zeros(2, dtype=np.float32),
        centroids=chance.normal(size=(3, 8)).astype(np.float32),
        prototypes=chance.normal(size=(5, 8)).astype(np.float32),
    )


def vectors(rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(1).normal(size=(rows, 8)).astype(np.float32)


def test_probabilities_are_probabilities(heads: Heads) -> None:
    scores = heads.score(vectors(20), ["de"] * 20)
    assert scores.intents.shape == (20, 3)
    np.testing.assert_allclose(scores.intents.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(scores.sentiments.sum(axis=1), 1, rtol=1e-5)
    assert ((scores.out_of_scope >= 0) & (scores.out_of_scope <= 1)).all()


@settings(deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0, 1), st.floats(0, 1))
def test_scaling_keeps_the_order_and_puts_the_threshold_at_one_half(threshold: float, low: float, high: float) -> None:
    low, high = sorted((low, high))
    scaled = scale_confidence(np.array([low, high, threshold], dtype=np.float32), threshold)
    assert scaled[0] <= scaled[1]
    assert scaled[2] == pytest.approx(0.5, abs=1e-3)


def test_a_language_with_a_temperature_of_its_own_is_calibrated_by_it(heads: Heads) -> None:
    warm = replace(heads, settings=replace(heads.settings, intent_temperature={"": 1.0, "hi": 3.0}))
    german, hindi = warm.score(vectors(1).repeat(2, axis=0), ["de", "hi"]).intents
    assert hindi.max() < german.max()
    assert hindi.argmax() == german.argmax()


def test_heads_come_back_from_disk_as_they_were(heads: Heads, tmp_path: Path) -> None:
    heads.save(tmp_path)
    again = Heads.load(tmp_path)
    assert again.settings == heads.settings
    languages = ["en"] * 5
    before, after = heads.score(vectors(5), languages), again.score(vectors(5), languages)
    np.testing.assert_array_equal(after.intents, before.intents)


def test_what_is_far_from_every_cluster_of_an_intent_is_farther_out_than_what_is_in_one(heads: Heads) -> None:
    clusters = np.eye(8, dtype=np.float32)[:4]  # two of the first intent, two of the second, the means between them
    means = np.stack([clusters[:2].mean(axis=0), clusters[2:].mean(axis=0)])
    two = replace(
        heads,
        settings=replace(heads.settings, intents=("a", "b"), out_of_scope_weights=(0.0, 0.0, 0.0, 1.0)),
        intent_weight=heads.intent_weight[:3],
        intent_bias=heads.intent_bias[:3],
        centroids=means,
        prototypes=clusters,
    )
    inside, between = two.score(np.stack([clusters[0], means[0]]), ["en", "en"]).out_of_scope
    assert between > inside


def test_an_adapter_of_before_there_were_prototypes_answers_as_it_did(heads: Heads, tmp_path: Path) -> None:
    replace(heads, prototypes=heads.prototypes[:0]).save(tmp_path)
    settings = json.loads((tmp_path / "heads.json").read_text(encoding="utf-8"))
    for name in ("signal_mean", "signal_scale", "out_of_scope_weights"):
        settings[name] = settings[name][:3]
    (tmp_path / "heads.json").write_text(json.dumps(settings), encoding="utf-8")
    weights = load_file(tmp_path / "heads.safetensors")
    save_file({name: value for name, value in weights.items() if name != "prototypes"}, tmp_path / "heads.safetensors")
    before, after = heads.score(vectors(5), ["en"] * 5), Heads.load(tmp_path).score(vectors(5), ["en"] * 5)
    np.testing.assert_array_equal(after.out_of_scope, before.out_of_scope)
