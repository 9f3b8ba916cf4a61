"""Borrows out-of-scope messages for data sets that bring none: our examples, less those that the set may cover.

What a bot was not trained on it must still recognise, and a set without such rows says nothing of it. Other people's
messages teach that (outlier exposure, Hendrycks et al. 2019, arXiv:1812.04606), as long as none of them is in scope: an
example near any of the set's own rows is left out, and so is an intent of ours of which many examples are.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nlu.heads import Floats, unit
from training.dataset import OUT_OF_SCOPE, Example

COVERED_SHARE = 0.15
NEAR_QUANTILE = 0.05
ROWS_COMPARED = 3000
# Rows of the pool that are looked at: more than are wanted, for some are near, and fewer than there are, for each is
# embedded.
FEWEST_LOOKED_AT, LOOKED_AT_FOR_ONE = 1500, 4
BORROWED = "borrowed out-of-scope"

Embed = Callable[[Sequence[str]], Floats]


def borrow_outliers(
    examples: Sequence[Example], pool: Sequence[Example], embed: Embed, *, wanted: int, seed: int
) -> list[Example]:
    """Return up to `wanted` rows of `pool` that none of the labels in `examples` covers, labelled out-of-scope.

    `embed` gives the encoder's vectors [N, hidden] of texts. Near means nearer, by cosine of centred vectors, than a
    few of the set's rows are to another row of their own label.
    """
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    pool = chance.sample(list(pool), min(len(pool), max(FEWEST_LOOKED_AT, LOOKED_AT_FOR_ONE * wanted)))
    compared = chance.sample(list(examples), min(len(examples), ROWS_COMPARED))
    own, others = embed([row.text for row in compared]), embed([row.text for row in pool])
    centre = np.concatenate([own, others]).mean(axis=0)
    own, others = unit(own - centre), unit(others - centre)
    near = (others @ own.T).max(axis=1) >= _near_limit(own, [row.intent for row in compared])
    totals = Counter(row.intent for row in pool)
    covered = Counter(row.intent for row, is_near in zip(pool, near, strict=True) if is_near)
    ours = set(totals) - {OUT_OF_SCOPE}
    shared = {intent for intent in ours if covered[intent] > COVERED_SHARE * totals[intent]}
    free = [row for row, is_near in zip(pool, near, strict=True) if not is_near and row.intent not in shared]
    chosen = chance.sample(free, min(wanted, len(free)))
    return [replace(row, intent=OUT_OF_SCOPE, sentiment=None, source=BORROWED) for row in chosen]


def _near_limit(vectors: Floats, labels: Sequence[str | None]) -> float:
    """Return the cosine that all but a few rows reach to another row of their label, or 0.5."""
    names = np.array([label or "" for label in labels])
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1.0)
    same = np.where(names[:, None] == names[None, :], cosines, -1.0).max(axis=1)
    paired = same[same > -1.0]
    return float(np.quantile(paired, NEAR_QUANTILE)) if len(paired) else 0.5
