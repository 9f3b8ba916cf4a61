"""Intents that an adapter knew and of which no example is left: their customers' data was erased, the intents stay.

Their rows in the head and their mean vectors stay as they were while the rest is learned beside them. Touches nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nlu.heads import Floats, Heads


@dataclass(frozen=True)
class KeptIntents:
    """Weights [kept, hidden], biases [kept] and mean vectors [kept, hidden] of the intents with these `names`."""

    names: tuple[str, ...]
    weight: Tensor
    bias: Tensor
    centroids: Floats

    @classmethod
    def of(cls, heads: Heads, *, wanted: Collection[str], learned: Collection[str]) -> KeptIntents:
        """Return those of the heads' intents that are wanted and that no example teaches."""
        known = heads.settings.intents
        places = [place for place, name in enumerate(known) if name in wanted and name not in learned]
        return cls(
            tuple(known[place] for place in places),
            torch.tensor(heads.intent_weight[places]),
            torch.tensor(heads.intent_bias[places]),
            heads.centroids[places],
        )

    @torch.no_grad()
    def restore(self, head: nn.Linear, intents: Sequence[str]) -> None:
        """Undo what a step did to their rows: as examples of nothing they would sink with each one."""
        for name, weight, bias in zip(self.names, self.weight, self.bias, strict=True):
            head.weight[intents.index(name)] = weight.to(head.weight.device)
            head.bias[intents.index(name)] = bias.to(head.bias.device)
