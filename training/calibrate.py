"""Fits what turns raw scores into probabilities one can act on, always on validation rows: temperatures, the
out-of-scope score, the threshold. Methods and sources are named in `nlu/heads.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from nlu.heads import Floats, Heads, HeadSettings, softmax
from training.dataset import OUT_OF_SCOPE, Example, intents_of
from training.outliers import BORROWED, LEFT_OUT

TEMPERATURES = np.geomspace(0.25, 4.0, 41)
ROWS_FOR_A_LANGUAGE = 60
ROWS_OUT_OF_SCOPE = 10
KEPT_IN_SCOPE = 0.95
OUT_OF_SCOPE_SHARE = 0.35  # of real traffic; how many such rows the validation happens to have says nothing of it
THRESHOLDS = np.linspace(0.02, 0.98, 97)
CONFIDENCE_FLOOR = 0.005
BLUR = 1.0  # in log-odds
USUAL_THRESHOLD, ROWS_OF_THE_USUAL = 0.4, 60
SIGNAL_WEIGHTS = 0.25, 1.0, 0.5, 1.0  # where no real strangers are there that could tell
EXAMPLES_A_PROTOTYPE, MOST_PROTOTYPES = 3, 10


def centroids(pooled: Floats, examples: Sequence[Example], intents: Sequence[str]) -> Floats:
    """Return the mean pooled vector of each intent [intents, hidden]; zeros where an intent has no example."""
    labels = intents_of(examples)
    means = np.zeros((len(intents), pooled.shape[1]), dtype=np.float32)
    for place, intent in enumerate(intents):
        if (labels == intent).any():
            means[place] = pooled[labels == intent].mean(axis=0)
    return means


def prototypes(pooled: Floats, examples: Sequence[Example], intents: Sequence[str]) -> Floats:
    """Return the mean vectors of each intent's clusters [prototypes, hidden]: one for three examples, at most ten.

    An intent's messages lie in several places, and its mean may lie in none of them.
    """
    labels = intents_of(examples)
    means = [np.zeros((0, pooled.shape[1]), dtype=np.float32)]
    for intent in intents:
        own = pooled[labels == intent]
        clusters = min(MOST_PROTOTYPES, round(len(own) / EXAMPLES_A_PROTOTYPE))
        if clusters > 1:
            means.append(KMeans(clusters, n_init=4, random_state=0).fit(own).cluster_centers_.astype(np.float32))
        elif len(own):
            means.append(own.mean(axis=0, keepdims=True))
    return np.concatenate(means)


def calibrate(heads: Heads, pooled: Floats, examples: Sequence[Example]) -> Heads:
    """Return heads with temperatures, out-of-scope score and threshold fitted on validation rows [N, hidden].

    Where there are too few rows of a kind, the heads keep a cautious default: temperature 1, and an out-of-scope score
    that calls 5% of the known messages unknown.
    """
    heads = _fit_temperatures(heads, pooled, examples)
    if not heads.settings.intents:
        return heads
    heads = _fit_out_of_scope(heads, pooled, examples)
    return _fit_threshold(heads, pooled, examples)


def _fit_temperatures(heads: Heads, pooled: Floats, examples: Sequence[Example]) -> Heads:
    settings = heads.settings
    intent_logits = heads.intent_logits(pooled)[:, : len(settings.intents)]
    sentiment_logits = pooled @ heads.sentiment_weight.T + heads.sentiment_bias
    intents = np.array([_index(settings.intents, example.intent) for example in examples])
    sentiments = np.array([_index(settings.sentiments, example.sentiment) for example in examples])
    languages = np.array([example.language for example in examples])
    return replace(
        heads,
        settings=replace(
            settings,
            intent_temperature=_temperatures(intent_logits, intents, languages),
            sentiment_temperature=_temperatures(sentiment_logits, sentiments, languages),
        ),
    )


def _temperatures(logits: Floats, labels: NDArray[np.int64], languages: NDArray[np.str_]) -> Mapping[str, float]:
    known = labels >= 0
    temperatures = {"": _temperature(logits[known], labels[known])}
    for language in sorted(set(languages[known]) - {""}):
        rows = known & (languages == language)
        if rows.sum() >= ROWS_FOR_A_LANGUAGE:
            temperatures[str(language)] = _temperature(logits[rows], labels[rows])
    return temperatures


def _temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """Return the temperature with the least negative log-likelihood; 1 where there is nothing to fit."""
    if len(labels) < 2:
        return 1.0
    losses = [
        -np.log(np.maximum(softmax(logits / temperature)[np.arange(len(labels)), labels], 1e-9)).mean()
        for temperature in TEMPERATURES
    ]
    return float(round(TEMPERATURES[int(np.argmin(losses))], 4))


def _fit_out_of_scope(heads: Heads, pooled: Floats, examples: Sequence[Example]) -> Heads:
    rows = [position for position, example in enumerate(examples) if example.intent is not None]
    if not rows:
        return heads
    signals = heads.signals(pooled[rows], heads.intent_logits(pooled[rows]))
    outside = np.array([examples[position].intent == OUT_OF_SCOPE for position in rows])
    if outside.all():
        return heads
    mean, scale = signals[~outside].mean(axis=0), np.maximum(signals[~outside].std(axis=0), 1e-3)
    standard = (signals - mean) / scale
    if min(outside.sum(), (~outside).sum()) < ROWS_OUT_OF_SCOPE:
        weights = np.array(SIGNAL_WEIGHTS)
        bias = -float(np.quantile(standard[~outside] @ weights, KEPT_IN_SCOPE))
    else:
        # Stand-ins tell little of the four signals' weights: borrowed strangers are told by any of them, and those of
        # some intents that were left out are too few.
        stood_in = any(example.source in (BORROWED, LEFT_OUT) for example in examples)
        joined = np.array([SIGNAL_WEIGHTS]).T if stood_in else np.eye(len(SIGNAL_WEIGHTS))
        model = LogisticRegression(class_weight="balanced").fit(standard @ joined, outside)
        weights, bias = joined @ model.coef_[0], float(model.intercept_[0])
    settings = replace(
        heads.settings,
        signal_mean=tuple(map(float, mean)),
        signal_scale=tuple(map(float, scale)),
        out_of_scope_weights=tuple(map(float, weights)),
        out_of_scope_bias=bias,
    )
    return replace(heads, settings=settings)


def transfer(calibrated: HeadSettings, heads: Heads) -> Heads:
    """Return heads with the calibration of others that were trained on fewer rows of the same labels."""
    return replace(
        heads,
        settings=replace(
            heads.settings,
            intent_temperature=calibrated.intent_temperature,
            sentiment_temperature=calibrated.sentiment_temperature,
            signal_mean=calibrated.signal_mean,
            signal_scale=calibrated.signal_scale,
            out_of_scope_weights=calibrated.out_of_scope_weights,
            out_of_scope_bias=calibrated.out_of_scope_bias,
            threshold=calibrated.threshold,
        ),
    )


def _fit_threshold(heads: Heads, pooled: Floats, examples: Sequence[Example]) -> Heads:
    """Set the raw confidence below which "out of scope" is the better answer.

    Out-of-scope rows weigh as much as they do in real traffic, however many the validation has. Borrowed ones are far
    from everything and say little of where to stop, so that they only stand in for others.
    """
    own = [example.intent == OUT_OF_SCOPE and example.source != BORROWED for example in examples]
    enough = sum(own) >= ROWS_OUT_OF_SCOPE
    rows = [
        position
        for position, example in enumerate(examples)
        if example.intent is not None and not (enough and example.source == BORROWED)
    ]
    if not rows:
        return heads
    raw_heads = replace(heads, settings=replace(heads.settings, threshold=0.5))
    scores = raw_heads.score(pooled[rows], [examples[position].language for position in rows])
    raw = scores.confidence  # with a threshold of 0.5 the confidence is the raw one
    truth = np.array([examples[position].intent for position in rows])
    outside = truth == OUT_OF_SCOPE
    if ROWS_OUT_OF_SCOPE <= outside.sum() < len(outside):
        right = np.array(heads.settings.intents)[scores.intents.argmax(axis=1)] == truth
        shares = OUT_OF_SCOPE_SHARE / outside.mean(), (1 - OUT_OF_SCOPE_SHARE) / (1 - outside.mean())
        threshold = _near_the_usual(_best_threshold(raw, right, outside, np.where(outside, *shares)), len(rows))
    else:
        threshold = float(np.clip(np.quantile(raw, 1 - KEPT_IN_SCOPE), THRESHOLDS[0], THRESHOLDS[-1]))
    return replace(heads, settings=replace(heads.settings, threshold=threshold))


def _best_threshold(
    raw: Floats, right: NDArray[np.bool_], outside: NDArray[np.bool_], weights: NDArray[np.float64]
) -> float:
    """Return the threshold with the most right decisions, where each row [N] stands for many around it.

    With a hundred rows the best of a hundred thresholds is mostly luck: so a row's log-odds are blurred by a normal
    distribution (kernel smoothing).
    """
    log_odds = logit(np.clip(raw, CONFIDENCE_FLOOR, 1 - CONFIDENCE_FLOOR))
    kept = norm.cdf((log_odds[:, None] - logit(THRESHOLDS)) / BLUR)
    gained = weights[:, None] * (kept * right[:, None] + (1 - kept) * outside[:, None])
    return float(THRESHOLDS[gained.sum(axis=0).argmax()])


def _near_the_usual(threshold: float, rows: int) -> float:
    """Return the mean log-odds of a threshold and the usual one, which weighs as much as some rows do (shrinkage)."""
    own = rows / (rows + ROWS_OF_THE_USUAL)
    return float(expit(own * logit(threshold) + (1 - own) * logit(USUAL_THRESHOLD)))


def _index(labels: Sequence[str], label: str | None) -> int:
    return labels.index(label) if label in labels else -1
