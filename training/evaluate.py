"""Measures predictions against labels: in all, per intent, per sentiment, per language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, matthews_corrcoef, precision_recall_fscore_support, roc_auc_score

from nlu.heads import DECISION, Scores
from training.dataset import OUT_OF_SCOPE, Example, intents_of

BINS = 15


def evaluate(
    examples: Sequence[Example], scores: Scores, *, intents: Sequence[str], sentiments: Sequence[str]
) -> dict[str, Any]:
    """Return the metrics of all examples and, under `languages`, of each language.

    Percentages are 0 to 100. `accuracy` and `macro_f1` are of in-scope rows before any threshold; `mcc` and
    `decision_accuracy` after the adapter's own, with out-of-scope as a label; `auroc` is in- against out-of-scope;
    `calibration_error` is the expected one (15 bins) of the best intent's probability.
    """
    result = _metrics(examples, scores, intents, sentiments)
    languages = sorted({example.language for example in examples} - {""})
    if languages:
        result["languages"] = {}
        for language in languages:
            rows = [position for position, example in enumerate(examples) if example.language == language]
            part = [examples[position] for position in rows]
            result["languages"][language] = _metrics(part, scores.at(rows), intents, sentiments)
        accuracies = [part["accuracy"] for part in result["languages"].values() if "accuracy" in part]
        if accuracies:
            result["mean_language_accuracy"] = round(float(np.mean(accuracies)), 2)
    return result


def calibration_error(probabilities: NDArray[np.floating[Any]], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error, 0 to 1, with equal-width bins (Guo et al. 2017, arXiv:1706.04599)."""
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=probabilities - right, minlength=BINS)
    return float(np.abs(gaps).sum() / max(1, len(probabilities)))


def _metrics(
    examples: Sequence[Example], scores: Scores, intents: Sequence[str], sentiments: Sequence[str]
) -> dict[str, Any]:
    result: dict[str, Any] = {"rows": len(examples)}
    if intents:
        result |= _intent_metrics(examples, scores, np.array(intents))
    if sentiments:
        result |= _sentiment_metrics(examples, scores, np.array(sentiments))
    return result


def _intent_metrics(examples: Sequence[Example], scores: Scores, intents: NDArray[np.str_]) -> dict[str, Any]:
    labelled = np.array([example.intent is not None for example in examples], dtype=np.bool_)
    truth = intents_of(examples)
    outside = truth == OUT_OF_SCOPE
    inside = labelled & ~outside
    predicted = intents[scores.intents.argmax(axis=1)]
    result: dict[str, Any] = {}
    if inside.any():
        right = predicted[inside] == truth[inside]
        result["accuracy"] = _percent(right.mean())
        result["macro_f1"] = _percent(_macro_f1(truth[inside], predicted[inside]))
        result["calibration_error"] = _percent(calibration_error(scores.intents[inside].max(axis=1), right))
        result["intents"] = _per_label(truth[inside], predicted[inside])
    if labelled.any():
        decision = np.where(scores.confidence >= DECISION, predicted, OUT_OF_SCOPE)[labelled]
        result["mcc"] = _percent(matthews_corrcoef(truth[labelled], decision))
        result["decision_accuracy"] = _percent((truth[labelled] == decision).mean())
    if inside.any() and outside.any():
        result["auroc"] = _percent(roc_auc_score(outside[labelled], scores.out_of_scope[labelled]))
        result["out_of_scope_recall"] = _percent((scores.confidence[outside] < DECISION).mean())
        result["in_scope_kept"] = _percent((scores.confidence[inside] >= DECISION).mean())
    return result


def _sentiment_metrics(examples: Sequence[Example], scores: Scores, sentiments: NDArray[np.str_]) -> dict[str, Any]:
    rows = np.array([example.sentiment is not None for example in examples])
    if not rows.any():
        return {}
    truth = np.array([example.sentiment or "" for example in examples])[rows]
    predicted = sentiments[scores.sentiments.argmax(axis=1)][rows]
    right = predicted == truth
    return {
        "sentiment_accuracy": _percent(right.mean()),
        "sentiment_macro_f1": _percent(_macro_f1(truth, predicted)),
        "sentiment_calibration_error": _percent(calibration_error(scores.sentiments[rows].max(axis=1), right)),
        "sentiments": _per_label(truth, predicted),
    }


def _macro_f1(truth: NDArray[np.str_], predicted: NDArray[np.str_]) -> float:
    return float(f1_score(truth, predicted, labels=sorted(set(truth)), average="macro", zero_division=0))


def _per_label(truth: NDArray[np.str_], predicted: NDArray[np.str_]) -> dict[str, dict[str, float]]:
    labels = sorted(set(truth))
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    return {
        label: {
            "precision": _percent(precision[position]),
            "recall": _percent(recall[position]),
            "f1": _percent(f1[position]),
            "rows": int(support[position]),
        }
        for position, label in enumerate(labels)
    }


def _percent(value: float) -> float:
    return round(float(value) * 100, 2)
