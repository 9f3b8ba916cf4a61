"""Predicts with an adapter folder, in torch and full precision: the reference that the served int8 form is held to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn
from transformers import PretrainedConfig

from nlu.adapters import read_manifest
from nlu.encoder import find_encoder, fingerprint
from nlu.heads import Floats, Heads, Scores
from training.model import Tokenizer, load_trained

BATCH_SIZE = 64


class AdapterPredictor:
    """An adapter folder, checked and loaded. Raises `DamagedAdapterError` if it is not whole."""

    def __init__(self, folder: Path, *, encoder: str | None = None) -> None:
        source = find_encoder(encoder)
        self.manifest = read_manifest(folder, encoder=fingerprint(source))
        self.heads = Heads.load(folder)
        self.body, self.tokenizer = load_trained(folder, encoder=source)

    def score(self, texts: Sequence[str], languages: Sequence[str]) -> Scores:
        """Score texts in the given languages, in their order."""
        return self.heads.score(pool(self.body, self.tokenizer, texts), languages)


def pool(body: nn.Module, tokenizer: Tokenizer, texts: Sequence[str]) -> Floats:
    """Return mean-pooled states [N, hidden] of texts, in their order; batches hold texts of like length."""
    order = sorted(range(len(texts)), key=lambda position: len(texts[position].encode()))
    vectors = np.zeros((len(texts), cast(PretrainedConfig, body.config).hidden_size), dtype=np.float32)
    body.eval()
    with torch.inference_mode():
        for start in range(0, len(order), BATCH_SIZE):
            positions = order[start : start + BATCH_SIZE]
            input_ids, mask = tokenizer([texts[position] for position in positions])
            states = body(input_ids=input_ids, attention_mask=mask).last_hidden_state
            weight = mask.unsqueeze(-1).to(states.dtype)
            vectors[positions] = ((states * weight).sum(dim=1) / weight.sum(dim=1)).numpy()
    return vectors
