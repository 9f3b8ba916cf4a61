"""What a served adapter answers to labelled messages, in the form that gate and report compare. Touches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nlu.classifier import Classifier, Embedder
from nlu.heads import DECISION, HeadSettings, Scores
from training.dataset import OUT_OF_SCOPE, Example, intents_of

Texts = NDArray[np.str_]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Answers:
    """One adapter's answers to N messages.

    `decisions` are intents, or `out_of_scope` where the adapter's own threshold says so; `intents` the best ones before
    it, and `probabilities` theirs; "" stands for no answer (an adapter without such labels).
    """

    decisions: Texts
    intents: Texts
    probabilities: Floats
    sentiments: Texts

    @classmethod
    def of(cls, scores: Scores, settings: HeadSettings) -> Answers:
        """Read the answers out of scores [N]."""
        intents = _best(scores.intents, settings.intents)
        decisions = np.where(scores.confidence >= DECISION, intents, OUT_OF_SCOPE)
        return cls(
            decisions=decisions if settings.intents else intents,
            intents=intents,
            probabilities=scores.intents.max(axis=1, initial=0.0),
            sentiments=_best(scores.sentiments, settings.sentiments),
        )


@dataclass(frozen=True)
class Truth:
    """The labels of N messages; "" where one is missing."""

    languages: Texts
    intents: Texts
    sentiments: Texts

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Truth:
        """Read the labels of examples."""
        return cls(
            languages=np.array([example.language for example in examples], dtype=str),
            intents=intents_of(examples),
            sentiments=np.array([example.sentiment or "" for example in examples], dtype=str),
        )


def score_served(classifier: Classifier, embedder: Embedder, examples: Sequence[Example]) -> Scores:
    """Score messages one at a time, as customers meet the adapter.

    The served form rounds by the whole batch (dynamic int8), so that in a batch answers depend on their neighbours.
    """
    parts = [classifier.score(embedder([example.text]), [example.language]) for example in examples]
    return Scores(*(np.concatenate([getattr(part, name) for part in parts]) for name in Scores.__annotations__))


def _best(probabilities: Floats, labels: Sequence[str]) -> Texts:
    if not labels:
        return np.full(len(probabilities), "", dtype=str)
    return np.asarray(np.array(labels, dtype=str)[probabilities.argmax(axis=1)])
