"""The parts of the training loss. Pure functions of tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.batches import IGNORED


def labelled_loss(logits: Tensor, labels: Tensor, *, smoothing: float) -> Tensor:
    """Return the cross-entropy summed over the labelled rows; logits [N, labels], labels [N]."""
    if not bool((labels != IGNORED).any()):
        return logits.sum() * 0.0
    return functional.cross_entropy(logits, labels, ignore_index=IGNORED, label_smoothing=smoothing, reduction="sum")


def contrastive_loss(pooled: Tensor, labels: Tensor, *, temperature: float) -> Tensor:
    """Pull rows of one label together and push the others away; summed over the rows that have a partner.

    Supervised contrastive learning (Khosla et al. 2020, arXiv:2004.11362, its `L_out`), which CPFT (Zhang et al. 2021,
    arXiv:2109.06349) uses for intents with few examples. `pooled` [N, hidden], `labels` [N].
    """
    known = labels != IGNORED
    unit, labels = functional.normalize(pooled[known].float(), dim=1), labels[known]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    partners = (labels[:, None] == labels) & ~itself
    if not bool(partners.any()):
        return pooled.sum() * 0.0
    likeness = unit @ unit.T / temperature
    log_share = likeness - likeness.masked_fill(itself, -torch.inf).logsumexp(dim=1, keepdim=True)
    loss: Tensor = -(log_share * partners).sum(dim=1) / partners.sum(dim=1).clamp_min(1)
    return loss.sum()


def distance_from(anchor: Mapping[str, Tensor], weights: Iterable[tuple[str, Tensor]]) -> Tensor:
    """Return the squared distance of weights from where they started (L2-SP, Li et al. 2018, arXiv:1802.01483)."""
    return torch.stack([(weight - anchor[name]).square().sum() for name, weight in weights]).sum()


def away_from_orthogonal(body: nn.Module) -> Tensor:
    """Return AdaLoRA's regulariser (Zhang et al. 2023, arXiv:2303.10512): how far its factors are from orthogonal.

    peft adds it only to a loss that the encoder's own head has computed, and ours are not the encoder's.
    """
    gaps = []
    for name, factor in body.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            square = factor @ factor.T if "lora_A" in name else factor.T @ factor
            gaps.append(torch.linalg.matrix_norm(square - torch.eye(len(square), device=square.device)))
    return torch.stack(gaps).mean()
