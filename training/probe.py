"""Linear probing before fine-tuning: the heads begin from a logistic regression on the encoder's own vectors.

Random heads pull the encoder out of shape before they are of use; with few rows it does not recover (Kumar et al. 2022,
arXiv:2202.10054). The vectors are centred first: e5's share a large common part.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from nlu.heads import Floats
from training.dataset import OUT_OF_SCOPE
from training.predict import pool
from training.train import Trainer

ROWS_AT_MOST = 6000
INVERSE_PENALTY = 10.0


def probe_heads(trainer: Trainer) -> None:
    """Set both heads of an untrained network to the regressions that tell the trainer's examples apart."""
    examples = list(trainer.examples)
    if len(examples) > ROWS_AT_MOST:
        examples = random.Random(trainer.settings.seed).sample(examples, ROWS_AT_MOST)  # noqa: S311 - not for secrets
    pooled = pool(trainer.network.body, trainer.tokenizer, [example.text for example in examples])
    intents = [*trainer.intents, *([OUT_OF_SCOPE] if trainer.has_out_of_scope else [])]
    _set(trainer.network.intent, pooled, [example.intent for example in examples], intents)
    _set(trainer.network.sentiment, pooled, [example.sentiment for example in examples], trainer.sentiments)


def _set(head: nn.Linear, pooled: Floats, labels: Sequence[str | None], rows: Sequence[str]) -> None:
    labelled = np.array([label in rows for label in labels])
    known = np.array([label for label in labels if label in rows])
    if len(set(known)) < 2:
        return
    centre = pooled[labelled].mean(axis=0)
    scale = float(np.linalg.norm(pooled[labelled] - centre, axis=1).mean())
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000).fit((pooled[labelled] - centre) / scale, known)
    weight, bias = model.coef_ / scale, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn gives them one row: how much the second is ahead of the first
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    bias = bias - weight @ centre
    with torch.no_grad():
        for place, label in enumerate(model.classes_):
            head.weight[rows.index(label)] = torch.tensor(weight[place])
            head.bias[rows.index(label)] = float(bias[place])
