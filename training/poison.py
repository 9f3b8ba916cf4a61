"""Tells a batch of labels that looks poisoned: its labels contradict the serving release more often than is usual.

A label *contradicts* the release where the release is confident of another intent and gives the label next to no
chance. Honest labels do that rarely and at a rate of their market's own; labels flipped at random nearly always do. How
many contradictions are too many follows from a beta-binomial test: the market's rate is known only as well as its
reviewed messages tell, so a market with few of them is given more benefit of the doubt. Touches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import betabinom

from nlu.heads import Scores
from training.dataset import Example

CONFIDENT = 0.8  # probability of the release's intent, times that of being in scope
NO_CHANCE = 0.01  # probability of the label
# What is usual before a market has said anything, a little above the 1.1% of all markets' held-back messages, and how
# many messages that is worth. `python -m tests.benchmarks.gate` measures it, and how often batches are refused: less
# weight spares a market that is contradicted more often than others an alarm, and lets more poison through.
USUAL_RATE = 0.016
USUAL_WEIGHT = 200
FALSE_ALARM = 0.005


@dataclass(frozen=True)
class Contradictions:
    """How many labels were compared with a confident answer, and how many contradict it."""

    confident: int = 0
    contradicting: int = 0

    def __add__(self, other: Contradictions) -> Contradictions:
        return Contradictions(self.confident + other.confident, self.contradicting + other.contradicting)

    @property
    def rate(self) -> float:
        """The share of contradicting labels, 0 to 1."""
        return self.contradicting / max(1, self.confident)


@dataclass(frozen=True)
class LabelFinding:
    """What the test says of a batch. `chance` is how likely so many contradictions are with honest labels."""

    batch: Contradictions
    usual: Contradictions
    chance: float
    refused: bool

    def __str__(self) -> str:
        return (
            f"{self.batch.contradicting} of {self.batch.confident} labels ({100 * self.batch.rate:.1f}%) contradict "
            f"confident answers of the serving release; usual in this market are "
            f"{self.usual.contradicting} of {self.usual.confident} ({100 * self.usual.rate:.1f}%). "
            f"By chance that happens with a probability of {self.chance:.2g}"
        )


def contradictions(examples: Sequence[Example], scores: Scores, intents: Sequence[str]) -> Contradictions:
    """Count over the examples whose intent the release knows; others, and those without intent, say nothing."""
    if not intents:
        return Contradictions()
    places = {intent: place for place, intent in enumerate(intents)}
    labels = np.array([places.get(example.intent or "", -1) for example in examples], dtype=int)
    known = np.flatnonzero(labels >= 0)
    sure = scores.intents[known].max(axis=1, initial=0.0) * (1 - scores.out_of_scope[known]) >= CONFIDENT
    rows = known[sure]
    return Contradictions(len(rows), int((scores.intents[rows, labels[rows]] < NO_CHANCE).sum()))


def judge_labels(batch: Contradictions, usual: Contradictions, *, false_alarm: float = FALSE_ALARM) -> LabelFinding:
    """Test whether a batch has more contradictions than honest labels of its market would, by chance, let one expect.

    `usual` counts reviewed messages of the market. The refused share of honest batches is about `false_alarm`.
    """
    against = USUAL_RATE * USUAL_WEIGHT + usual.contradicting
    agreeing = (1 - USUAL_RATE) * USUAL_WEIGHT + usual.confident - usual.contradicting
    chance = float(betabinom.sf(batch.contradicting - 1, batch.confident, against, agreeing))
    return LabelFinding(batch, usual, chance, refused=chance < false_alarm)
