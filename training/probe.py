"""Linear probing before fine-tuning: the heads begin from a logistic regression on the encoder's own vectors.

Random heads pull the encoder out of shape before they are of use; with few rows it does not recover (Kumar et al. 2022,
arXiv:2202.10054). The vectors are centred first: e5's share a large common part. Where an earlier adapter has heads,
only the rows of intents that are new to it are set.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import nn

from nlu.heads import Floats
from training.dataset import OUT_OF_SCOPE
from training.predict import pool
from training.train import Trainer

ROWS_AT_MOST = 6000
INVERSE_PENALTY = 10.0


def probe_heads(trainer: Trainer) -> None:
    """Set both heads of an untrained network to the regressions that tell the trainer's examples apart.

    If it began from an adapter that has intents, only the rows of those that are new are set.
    """
    if trainer.known_intents:
        _probe_new_intents(trainer)
    else:
        _probe_all(trainer)


def _probe_all(trainer: Trainer) -> None:
    examples = list(trainer.examples)
    if len(examples) > ROWS_AT_MOST:
        examples = random.Random(trainer.settings.seed).sample(examples, ROWS_AT_MOST)  # noqa: S311 - not for secrets
    pooled = pool(trainer.network.body, trainer.tokenizer, [example.text for example in examples])
    intents = [*trainer.intents, *([OUT_OF_SCOPE] if trainer.has_out_of_scope else [])]
    _set(trainer.network.intent, pooled, [example.intent for example in examples], intents)
    _set(trainer.network.sentiment, pooled, [example.sentiment for example in examples], trainer.sentiments)


def _probe_new_intents(trainer: Trainer) -> None:
    """Set the rows of new intents, each to the regression that tells it from all the others.

    A regression's log-odds become a logit beside the known ones when their mean log-sum-exp is added.
    """
    known = trainer.known_intents
    new = [intent for intent in trainer.intents if intent not in known]
    examples = [example for example in trainer.examples if example.intent]
    others = [example for example in examples if example.intent not in new]
    if not new or not others:
        return
    chance = random.Random(trainer.settings.seed)  # noqa: S311 - not for secrets
    chosen = [*(e for e in examples if e.intent in new), *chance.sample(others, min(len(others), ROWS_AT_MOST))]
    pooled = pool(trainer.network.body, trainer.tokenizer, [example.text for example in chosen])
    head, labels = trainer.network.intent, np.array([example.intent for example in chosen])
    places = [place for place, intent in enumerate(trainer.intents) if intent in known]
    with torch.no_grad():
        level = head(torch.tensor(pooled))[:, places].logsumexp(dim=1).mean()
        for intent in new:
            weight, bias = _regression(pooled, labels == intent)
            head.weight[trainer.intents.index(intent)] = torch.tensor(weight[-1])
            head.bias[trainer.intents.index(intent)] = float(bias[-1]) + level


def _set(head: nn.Linear, pooled: Floats, labels: Sequence[str | None], rows: Sequence[str]) -> None:
    labelled = np.array([label in rows for label in labels])
    known = np.array([label for label in labels if label in rows])
    if len(set(known)) < 2:
        return
    weight, bias = _regression(pooled[labelled], known)
    if len(weight) == 1:  # scikit-learn gives two labels one row: how much the second is ahead of the first
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    with torch.no_grad():
        for place, label in enumerate(sorted(set(known))):
            head.weight[rows.index(label)] = torch.tensor(weight[place])
            head.bias[rows.index(label)] = float(bias[place])


def _regression(pooled: Floats, labels: NDArray[Any]) -> tuple[Floats, Floats]:
    """Return weights [labels, hidden] and biases [labels] for vectors as they are, in the labels' sorted order."""
    centre = pooled.mean(axis=0)
    scale = float(np.linalg.norm(pooled - centre, axis=1).mean())
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000).fit((pooled - centre) / scale, labels)
    weight = model.coef_ / scale
    return weight, model.intercept_ - weight @ centre
