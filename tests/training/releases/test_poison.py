"""Flipped labels are told from honest ones by how often they contradict what the serving release is sure of."""

from __future__ import annotations

import numpy as np
import pytest

from nlu.heads import Scores
from nlu.served import ServedAdapters
from training.answers import score_served
from training.dataset import OUT_OF_SCOPE, Example
from training.held_back import judging_rows
from training.poison import Contradictions, contradictions, judge_labels

INTENTS = tuple(f"intent {place}" for place in range(10))


def scores(best: np.ndarray, *, certainty: float) -> Scores:
    rows = len(best)
    spread = np.full((rows, len(INTENTS)), (1 - certainty) / (len(INTENTS) - 1), dtype=np.float32)
    spread[np.arange(rows), best] = certainty
    return Scores(spread, np.ones((rows, 1), np.float32), np.zeros(rows, np.float32), np.ones(rows, np.float32))


def examples(labels: np.ndarray) -> list[Example]:
    return [Example("text", INTENTS[label]) for label in labels]


def test_only_labels_without_a_chance_against_a_confident_answer_contradict() -> None:
    labels = np.array([0, 0, 1])
    best = np.array([0, 1, 1])
    assert contradictions(examples(labels), scores(best, certainty=0.95), INTENTS) == Contradictions(3, 1)
    assert contradictions(examples(labels), scores(best, certainty=0.6), INTENTS) == Contradictions(0, 0)


def test_a_label_that_the_release_does_not_know_yet_says_nothing() -> None:
    rows = [Example("text", "a new intent"), Example("text", OUT_OF_SCOPE), Example("text", None, "positive")]
    assert contradictions(rows, scores(np.zeros(3, int), certainty=0.95), INTENTS) == Contradictions(0, 0)


@pytest.mark.parametrize("usual", [Contradictions(85, 0), Contradictions(71, 3), Contradictions(600, 12)])
def test_the_usual_rate_passes_and_five_points_more_do_not(usual: Contradictions) -> None:
    confident = 1200
    honest = Contradictions(confident, round(confident * usual.rate))
    flipped = Contradictions(confident, round(confident * (usual.rate + 0.05)))
    assert not judge_labels(honest, usual).refused
    assert judge_labels(flipped, usual).refused


def test_a_market_that_is_contradicted_more_often_is_given_more() -> None:
    batch = Contradictions(500, 40)
    assert judge_labels(batch, Contradictions(1000, 10)).refused
    assert not judge_labels(batch, Contradictions(1000, 80)).refused


def test_the_share_of_honest_batches_that_are_refused_is_the_published_one() -> None:
    chance = np.random.default_rng(0)
    refused = []
    for _ in range(400):
        rate = chance.beta(3.2, 196.8)
        usual = Contradictions(90, int(chance.binomial(90, rate)))
        refused.append(judge_labels(Contradictions(1200, int(chance.binomial(1200, rate))), usual).refused)
    assert np.mean(refused) < 0.02


def test_random_flips_of_five_percent_of_two_thousand_messages_are_refused_and_honest_ones_are_not() -> None:
    """With the shipped German adapter, on messages that it never saw."""
    served = ServedAdapters(threads=1)
    serving = served["de-DE"]
    rows = [row for row in judging_rows(["de"]) if row.language == "de"]
    answers = score_served(serving, served.embedder, rows)
    intents = serving.heads.settings.intents
    chance = np.random.default_rng(7)
    usual = contradictions(rows, answers, intents)
    drawn = chance.integers(len(rows), size=2000)
    honest = [rows[place] for place in drawn]
    assert not judge_labels(contradictions(honest, answers.at(drawn), intents), usual).refused
    flipped = list(honest)
    for place in chance.choice(2000, size=100, replace=False):
        others = [intent for intent in intents if intent != honest[place].intent]
        flipped[place] = Example(honest[place].text, str(chance.choice(others)), None, "de")
    finding = judge_labels(contradictions(flipped, answers.at(drawn), intents), usual)
    assert finding.refused
    assert "contradict confident answers" in str(finding)
