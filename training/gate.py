"""Decides whether a candidate may replace the serving release. Pure functions over both ones' answers to equal rows.

A difference counts only beyond noise: its 95% interval by the paired bootstrap (Efron & Tibshirani 1993; both adapters
answer the same resampled rows) must lie wholly on the bad side of the margin. So a candidate is refused if

* a *language* falls: the interval of its accuracy's difference, in points, ends below -1; so for intents (the adapter's
  own decision, out-of-scope counting as a label) and for sentiment; languages with fewer than 30 rows are not judged;
* an *intent* with at least 50 rows in the languages that the adapter serves falls in the same way;
* *calibration* breaks: the interval of the difference of the expected calibration error begins above +1, in a language
  that the adapter serves;
* the *labels* that it learned from look poisoned (`training/poison.py`);
* it has *lost* an intent: a label set grows and loses none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.answers import Answers, Truth
from training.dataset import OUT_OF_SCOPE
from training.evaluate import calibration_error
from training.poison import LabelFinding

MARGIN = 1.0  # points
OUTSIDE = (2.5, 97.5)  # percentiles of the interval
DRAWS = 2000
CALIBRATION_DRAWS = 500
ROWS_A_LANGUAGE = 30
ROWS_AN_INTENT = 50

Booleans = NDArray[np.bool_]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """One comparison, in points (0 to 100). `low` and `high` bound the difference, candidate less serving."""

    what: str
    rows: int
    serving: float
    candidate: float
    low: float
    high: float
    refused: bool

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.serving:.1f} → {self.candidate:.1f} on {self.rows} messages "
            f"({self.candidate - self.serving:+.1f} points, 95% interval {self.low:+.1f} to {self.high:+.1f})"
        )


@dataclass(frozen=True)
class Verdict:
    """All findings. `labels` is None where no labels were compared; `lost` are intents that the candidate lacks."""

    findings: tuple[Finding, ...]
    labels: LabelFinding | None = None
    lost: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether anything speaks against the candidate."""
        return bool(self.reasons)

    @property
    def reasons(self) -> list[str]:
        """What speaks against the candidate, one sentence each."""
        reasons = [f"It no longer knows {', '.join(self.lost)}"] if self.lost else []
        reasons += [str(finding) for finding in self.findings if finding.refused]
        return reasons + ([f"The labels look poisoned: {self.labels}"] if self.labels and self.labels.refused else [])


def judge(
    truth: Truth,
    serving: Answers,
    candidate: Answers,
    *,
    served_languages: Collection[str],
    labels: LabelFinding | None = None,
    seed: int = 0,
) -> Verdict:
    """Compare two adapters' answers to the same N messages; `served_languages` are those whose customers meet them."""
    chance = np.random.default_rng(seed)
    labelled = truth.intents != ""
    right = (serving.decisions == truth.intents, candidate.decisions == truth.intents)
    felt = (serving.sentiments == truth.sentiments, candidate.sentiments == truth.sentiments)
    findings = []
    for language in sorted(set(truth.languages) - {""}):
        here = truth.languages == language
        findings.append(_fall(f"intents in {language}", here & labelled, *right, ROWS_A_LANGUAGE, chance))
        with_sentiment = here & (truth.sentiments != "")
        findings.append(_fall(f"sentiment in {language}", with_sentiment, *felt, ROWS_A_LANGUAGE, chance))
        if language in served_languages:
            findings.append(_calibration(language, truth, serving, candidate, here, chance))
    # What no customer meets may shift between intents, as long as no language falls in all.
    met = np.isin(truth.languages, list(served_languages))
    for intent in sorted(set(truth.intents[met]) - {""}):
        findings.append(_fall(f"intent {intent}", met & (truth.intents == intent), *right, ROWS_AN_INTENT, chance))
    return Verdict(tuple(finding for finding in findings if finding is not None), labels)


def paired_difference(
    serving: Booleans, candidate: Booleans, chance: np.random.Generator, *, draws: int = DRAWS
) -> tuple[float, float]:
    """Return the 95% interval, in points, of the difference of two shares of right answers to the same N rows.

    To resample rows is to draw how many of them were gained, lost and the same, which is a multinomial draw.
    """
    gained, lost = int((candidate & ~serving).sum()), int((serving & ~candidate).sum())
    rows = len(serving)
    shares = np.array([gained, lost, rows - gained - lost]) / rows
    drawn = chance.multinomial(rows, shares, size=draws)
    low, high = np.percentile(100 * (drawn[:, 0] - drawn[:, 1]) / rows, OUTSIDE)
    return float(low), float(high)


def _fall(
    what: str, rows: Booleans, serving: Booleans, candidate: Booleans, at_least: int, chance: np.random.Generator
) -> Finding | None:
    count = int(rows.sum())
    if count < at_least:
        return None
    before, after = serving[rows], candidate[rows]
    low, high = paired_difference(before, after, chance)
    return Finding(what, count, 100 * float(before.mean()), 100 * float(after.mean()), low, high, high < -MARGIN)


def _calibration(
    language: str, truth: Truth, serving: Answers, candidate: Answers, here: Booleans, chance: np.random.Generator
) -> Finding | None:
    rows = np.flatnonzero(here & (truth.intents != "") & (truth.intents != OUT_OF_SCOPE))
    if len(rows) < ROWS_A_LANGUAGE:
        return None
    before, after = (_certainty(truth, answers, rows) for answers in (serving, candidate))
    drawn = chance.integers(len(rows), size=(CALIBRATION_DRAWS, len(rows)))
    rises = [
        100 * (calibration_error(after[0][draw], after[1][draw]) - calibration_error(before[0][draw], before[1][draw]))
        for draw in drawn
    ]
    low, high = (float(bound) for bound in np.percentile(rises, OUTSIDE))
    errors = (100 * calibration_error(*before), 100 * calibration_error(*after))
    return Finding(f"calibration error in {language}", len(rows), errors[0], errors[1], low, high, low > MARGIN)


def _certainty(truth: Truth, answers: Answers, rows: NDArray[np.int64]) -> tuple[Numbers, Booleans]:
    return answers.probabilities[rows].astype(np.float64), answers.intents[rows] == truth.intents[rows]
