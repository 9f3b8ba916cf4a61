"""FGM: training on inputs pushed where they hurt most (Miyato et al. 2017, arXiv:1605.07725). Pure functions."""

from __future__ import annotations

import torch
from torch import Tensor


def no_push(input_ids: Tensor, hidden: int) -> Tensor:
    """Return zeros [N, tokens, hidden] to add to the word embeddings, so that their gradient is known afterwards."""
    return torch.zeros(*input_ids.shape, hidden, device=input_ids.device, requires_grad=True)


def worst_push(gradient: Tensor, length: float) -> Tensor:
    """Return for each row [N, tokens, hidden] the push of this length that raises its loss most, to first order.

    Each row is normalised by itself, so that how rows are spread over processes changes nothing.
    """
    norms = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
    push: Tensor = length * gradient / norms[:, None, None]
    return push
