"""Borrows out-of-scope messages for data sets that bring none: our examples, less those that the set may cover.

What a bot was not trained on it must still recognise, and a set without such rows says nothing of it. Other people's
messages teach that (outlier exposure, Hendrycks et al. 2019, arXiv:1812.04606), as long as none of them is in scope: a
request that customers of this bot make, taught as a stranger, is worse than no strangers at all. So whole intents of
ours are left out that may mean what one of the set's means, and of the rest the half that is nearer to the set.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nlu.heads import Floats, unit
from training.dataset import OUT_OF_SCOPE, Example, intents_of
from training.duplicates import plain_letters

COVERED = 0.15
MOSTLY_NEAR = 0.5
NEAR_QUANTILE = 0.4
FARTHER_SHARE = 0.5
FEWEST = 20  # with fewer, the share that is kept to calibrate on says nothing
ROWS_COMPARED = 3000
# Rows of the pool that are looked at: more than are wanted, for some are near, and fewer than there are, for each is
# embedded.
FEWEST_LOOKED_AT, LOOKED_AT_FOR_ONE = 1500, 4
BORROWED, LEFT_OUT = "borrowed out-of-scope", "left-out intent"  # sources of stand-ins for real strangers

Embed = Callable[[Sequence[str]], Floats]
Names = NDArray[np.str_]


def borrow_outliers(
    examples: Sequence[Example], pool: Sequence[Example], embed: Embed, *, wanted: int, seed: int
) -> list[Example]:
    """Return up to `wanted` rows of `pool` that none of the labels in `examples` covers, labelled out-of-scope; none at
    all if there are only a few. `embed` gives the encoder's vectors [N, hidden] of texts.
    """
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    pool = chance.sample(list(pool), min(len(pool), max(FEWEST_LOOKED_AT, LOOKED_AT_FOR_ONE * wanted)))
    compared = chance.sample(list(examples), min(len(examples), ROWS_COMPARED))
    own, others = embed([row.text for row in compared]), embed([row.text for row in pool])
    centre = np.concatenate([own, others]).mean(axis=0)
    own, others = unit(own - centre), unit(others - centre)
    labels, theirs = intents_of(compared), intents_of(pool)
    nearest = (others @ own.T).max(axis=1)
    near = nearest >= _near_limit(own, labels)
    covered = _covered_intents(own, labels, others, theirs)
    covered |= {name for name in set(theirs) - {OUT_OF_SCOPE} if near[theirs == name].mean() > MOSTLY_NEAR}
    far = ~near & (nearest <= np.quantile(nearest, FARTHER_SHARE)) & ~np.isin(theirs, sorted(covered))
    free = [row for row, is_far in zip(pool, far, strict=True) if is_far]
    if len(free) < FEWEST:
        return []
    chosen = chance.sample(free, min(wanted, len(free)))
    return [replace(row, intent=OUT_OF_SCOPE, sentiment=None, source=BORROWED) for row in chosen]


def _covered_intents(own: Floats, labels: Names, others: Floats, theirs: Names) -> set[str]:
    """Return those of their intents that may mean what one of ours means, for unit vectors [N, hidden] and labels [N].

    Either the names are equal, or each is the other's: the nearest class mean of a message of theirs is mostly one of
    ours, and that of a message of this one mostly theirs. A stranger's messages fall to several. Unlike a distance,
    this means the same for a set of near-identical messages and for one that has each meaning once.
    """
    ours_of, theirs_of = _nearest_mean(others, own, labels), _nearest_mean(own, others, theirs)
    names = {_plain(label) for label in labels}
    covered = set()
    for intent in sorted(set(theirs) - {OUT_OF_SCOPE}):
        found, counts = np.unique(ours_of[theirs == intent], return_counts=True)
        there = counts.max() / counts.sum()
        back = (theirs_of[labels == found[counts.argmax()]] == intent).mean()
        if _plain(intent) in names or there * back >= COVERED:
            covered.add(str(intent))
    return covered


def _nearest_mean(vectors: Floats, known: Floats, labels: Names) -> Names:
    """Return the label [N] whose mean of `known` each of the vectors [N, hidden] is nearest to."""
    names = np.unique(labels)
    means = unit(np.stack([known[labels == name].mean(axis=0) for name in names]))
    return np.asarray(names[(vectors @ means.T).argmax(axis=1)], dtype=np.str_)


def _near_limit(vectors: Floats, labels: Names) -> float:
    """Return the cosine that most rows reach to another row of their label, or 0.5."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1.0)
    same = np.where(labels[:, None] == labels[None, :], cosines, -1.0).max(axis=1)
    paired = same[same > -1.0]
    return float(np.quantile(paired, NEAR_QUANTILE)) if len(paired) else 0.5


def _plain(name: str) -> str:
    return plain_letters(name).replace(" ", "")
