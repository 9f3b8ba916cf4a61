"""The gate refuses what got worse beyond noise, says what and by how much, and lets the rest pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from training.answers import Answers, Truth
from training.dataset import OUT_OF_SCOPE
from training.evaluate import calibration_error
from training.gate import Verdict, judge, paired_difference

LANGUAGES = ("de", "fr", "ja")
ROWS = 400  # a language


def truth() -> Truth:
    intents = np.array([f"intent {row % 12}" for row in range(ROWS)] * len(LANGUAGES))
    sentiments = np.array(["neutral", "negative"] * (len(intents) // 2))
    return Truth(np.repeat(LANGUAGES, ROWS), intents, sentiments)


def answers(wrong: np.ndarray, *, certainty: float = 0.9, sentiment_wrong: float = 0.0) -> Answers:
    """Answer `truth` with errors where `wrong` is true."""
    known = truth()
    decisions = np.where(wrong, "another", known.intents)
    felt = np.arange(len(wrong)) < sentiment_wrong * len(wrong)
    sentiments = np.where(felt, "positive", known.sentiments)
    return Answers(decisions, decisions, np.full(len(wrong), certainty, dtype=np.float32), sentiments)


def errors(**shares: float) -> np.ndarray:
    """Draw errors: a tenth everywhere, and the share of each language named."""
    chance = np.random.default_rng(5)
    rate = np.array([shares.get(language, 0.1) for language in np.repeat(LANGUAGES, ROWS)])
    return chance.random(len(rate)) < rate


def verdict(before: Answers, after: Answers, *, served: Sequence[str] = ("de",)) -> Verdict:
    return judge(truth(), before, after, served_languages=served)


def test_an_equal_candidate_passes() -> None:
    assert not verdict(answers(errors()), answers(errors())).refused


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_language_that_falls_is_enough_and_is_named_with_its_fall(language: str) -> None:
    refused = verdict(answers(errors()), answers(errors(**{language: 0.2})))
    assert [reason for reason in refused.reasons if reason.startswith(f"intents in {language}")]
    assert not [reason for reason in refused.reasons if "intents in" in reason and f" {language}" not in reason]
    assert "points, 95% interval -" in refused.reasons[0]


def test_a_fall_within_noise_passes() -> None:
    before = errors()
    after = before.copy()
    after[np.flatnonzero(~before)[:4]] = True  # one point in German
    assert not verdict(answers(before), answers(after)).refused


def test_an_intent_with_fifty_rows_may_not_fall_although_every_language_stays() -> None:
    before = np.zeros(ROWS * len(LANGUAGES), dtype=bool)
    after = (truth().intents == "intent 3") & (np.arange(len(before)) % 5 == 0)
    refused = verdict(answers(before), answers(after), served=LANGUAGES)
    assert [reason.split(":")[0] for reason in refused.reasons] == ["intent intent 3"]
    assert not verdict(answers(before), answers(after), served=("de",)).refused


def test_an_intent_with_fewer_rows_is_not_judged() -> None:
    known = truth()
    rare = Truth(known.languages, np.where(np.arange(ROWS * 3) < 49, "rare", known.intents), known.sentiments)
    right = np.zeros(ROWS * 3, dtype=bool)
    before = Answers(rare.intents, rare.intents, np.full(ROWS * 3, 0.9, np.float32), known.sentiments)
    result = judge(rare, before, answers(right), served_languages=LANGUAGES)
    assert "intent rare" not in [finding.what for finding in result.findings]


def test_sentiment_that_falls_is_refused() -> None:
    refused = verdict(answers(errors()), answers(errors(), sentiment_wrong=0.1))
    assert refused.reasons
    assert all(reason.startswith("sentiment in") for reason in refused.reasons)


def test_calibration_that_breaks_is_refused_where_customers_meet_it() -> None:
    refused = verdict(answers(errors()), answers(errors(), certainty=0.99))
    assert [reason.split(":")[0] for reason in refused.reasons] == ["calibration error in de"]


def test_a_candidate_that_sends_everything_out_of_scope_is_refused() -> None:
    before = answers(errors())
    after = Answers(np.full(ROWS * 3, OUT_OF_SCOPE), before.intents, before.probabilities, before.sentiments)
    assert len(verdict(before, after).reasons) >= len(LANGUAGES)


def test_the_interval_is_the_one_that_resampling_rows_gives() -> None:
    chance = np.random.default_rng(1)
    before, after = chance.random(300) < 0.8, chance.random(300) < 0.75
    draws = chance.integers(300, size=(4000, 300))
    resampled = np.percentile(100 * (after[draws].mean(axis=1) - before[draws].mean(axis=1)), (2.5, 97.5))
    assert paired_difference(before, after, np.random.default_rng(2), draws=4000) == pytest.approx(resampled, abs=0.7)


def test_an_unchanged_adapter_is_hardly_ever_refused_by_noise() -> None:
    """Two adapters of equal quality that err on other rows: the margin on top of the interval keeps alarms rare."""
    chance = np.random.default_rng(3)
    refused = [
        paired_difference(chance.random(282) < 0.8, chance.random(282) < 0.8, chance, draws=500)[1] < -1
        for _ in range(400)
    ]
    assert np.mean(refused) < 0.025


def test_the_calibration_error_is_the_gap_between_certainty_and_success() -> None:
    right = np.array([True] * 60 + [False] * 40)
    assert calibration_error(np.full(100, 0.9), right) == pytest.approx(0.3)
    assert calibration_error(np.full(100, 0.6), right) == pytest.approx(0.0)
