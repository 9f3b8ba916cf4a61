"""How often the gate refuses labels: honest batches (false alarms) and batches with flipped labels, in each market.

Each market's held-back messages, which its adapter has not learned from, stand for what its customers write: a trial
draws from them, with replacement, as many reviewed messages as there are (the usual rate) and a batch of 2,000.
`python -m tests.benchmarks.gate` prints the table of docs/retraining.md; it takes about a minute.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from nlu.markets import load_markets
from nlu.served import ServedAdapters
from training.answers import score_served
from training.held_back import judging_rows
from training.poison import CONFIDENT, NO_CHANCE, Contradictions, judge_labels

BATCH, TRIALS = 2000, 500
FLIPPED = (0.0, 0.02, 0.03, 0.05, 0.1)


class Pool:
    """A market's messages as the test sees them: which are answered confidently, and what chance each label has."""

    def __init__(self, served: ServedAdapters, adapter: str, language: str) -> None:
        classifier = served[adapter]
        intents = classifier.heads.settings.intents
        rows = [row for row in judging_rows([language]) if row.language == language and row.intent in intents]
        scores = score_served(classifier, served.embedder, rows)
        self.labels = np.array([intents.index(row.intent or "") for row in rows])
        self.sure = scores.intents.max(axis=1) * (1 - scores.out_of_scope) >= CONFIDENT
        self.hopeless = scores.intents < NO_CHANCE

    @property
    def honest(self) -> Contradictions:
        """All messages as they are labelled."""
        own = self.hopeless[np.arange(len(self.labels)), self.labels]
        return Contradictions(int(self.sure.sum()), int(own[self.sure].sum()))

    def draw(self, rows: int, flipped: float, chance: np.random.Generator) -> Contradictions:
        """Draw messages and flip the labels of a share of them."""
        drawn = chance.integers(len(self.labels), size=rows)
        labels = self.labels[drawn]
        wrong = chance.permutation(rows) < round(flipped * rows)
        intents = self.hopeless.shape[1]
        labels = np.where(wrong, (labels + chance.integers(1, intents, size=rows)) % intents, labels)
        sure = self.sure[drawn]
        return Contradictions(int(sure.sum()), int(self.hopeless[drawn, labels][sure].sum()))


def refused_shares(pool: Pool, chance: np.random.Generator) -> NDArray[np.float64]:
    """Return, for each share of flipped labels, the share of batches that are refused."""
    refused = np.zeros(len(FLIPPED))
    for _ in range(TRIALS):
        usual = pool.draw(len(pool.labels), 0.0, chance)
        refused += [judge_labels(pool.draw(BATCH, share, chance), usual).refused for share in FLIPPED]
    return refused / TRIALS


def main() -> None:
    """Print the table."""
    served, chance = ServedAdapters(), np.random.default_rng(0)
    shares = []
    counted = Contradictions()
    sys.stdout.write("| market | honest | " + " | ".join(f"{share:.0%} flipped" for share in FLIPPED[1:]) + " |\n")
    sys.stdout.write("|---" * (len(FLIPPED) + 1) + "|\n")
    for market in load_markets():
        if market.adapter is None:
            continue
        pool = Pool(served, market.adapter, market.language)
        counted += pool.honest
        shares.append(refused_shares(pool, chance))
        cells = " | ".join(f"{100 * share:.1f}%" for share in shares[-1])
        sys.stdout.write(f"| {market.code} | {cells} |\n")
    mean = " | ".join(f"{100 * share:.1f}%" for share in np.mean(shares, axis=0))
    sys.stdout.write(f"| mean | {mean} |\n\n")
    sys.stdout.write(f"Usual: {counted.contradicting} of {counted.confident} confident answers are contradicted, ")
    sys.stdout.write(f"{100 * counted.rate:.1f}%.\n")


if __name__ == "__main__":
    main()
