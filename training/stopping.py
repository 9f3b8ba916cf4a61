"""Early stopping: remembers the weights of the best epoch and says when there is no more hope of a better one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, order=True)
class Validation:
    """How a training stands on rows that it does not learn from: the share of labels it gets right, and minus the mean
    loss, which decides between equals. Greater is better."""

    right: float
    minus_loss: float


class BestEpoch:
    """The best validation so far, its weights, and for how many epochs there was no better one."""

    def __init__(self) -> None:
        self.validation: Validation | None = None
        self.weights: dict[str, Tensor] = {}
        self.waited = 0

    def see(self, validation: Validation, parameters: dict[str, nn.Parameter]) -> None:
        """Take an epoch's validation and weights into account."""
        if self.validation is not None and validation <= self.validation:
            self.waited += 1
            return
        self.validation, self.waited = validation, 0
        self.weights = {name: parameter.detach().clone() for name, parameter in parameters.items()}

    def restore(self, parameters: dict[str, nn.Parameter]) -> None:
        """Put the best epoch's weights in place."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                parameters[name].copy_(weight)
