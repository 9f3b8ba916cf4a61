"""From examples to the tensors of one step: what an epoch holds, in which order, and which part a process takes.

Every process draws the same epoch and takes its own rows of each batch, so that several together train on what one
would. Touches nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.augment import augment
from training.dataset import OUT_OF_SCOPE, Example
from training.model import Tokenizer
from training.settings import TrainingSettings

IGNORED = -100
BATCHES_SORTED_TOGETHER = 50


@dataclass(frozen=True)
class Batch:
    """A process's rows of one step: token ids and mask [N, tokens], label indices [N], `IGNORED` where one is missing.

    `places` [N] says which rows of the whole batch of `size` rows they are.
    """

    input_ids: Tensor
    attention_mask: Tensor
    intents: Tensor
    sentiments: Tensor
    places: Tensor
    size: int


@dataclass(frozen=True)
class Labels:
    """The labels in the order of the heads' rows; out-of-scope, if it is trained, is the last intent."""

    intents: tuple[str, ...]
    sentiments: tuple[str, ...]
    has_out_of_scope: bool

    def intent_index(self, example: Example) -> int:
        """Return the row of the example's intent, or `IGNORED`."""
        if example.intent == OUT_OF_SCOPE:
            return len(self.intents) if self.has_out_of_scope else IGNORED
        return self.intents.index(example.intent) if example.intent in self.intents else IGNORED

    def sentiment_index(self, example: Example) -> int:
        """Return the row of the example's sentiment, or `IGNORED`."""
        return self.sentiments.index(example.sentiment) if example.sentiment in self.sentiments else IGNORED


def draw_epoch(
    examples: Sequence[Example], replay: Sequence[Example], settings: TrainingSettings, epoch: int
) -> list[list[Example]]:
    """Draw an epoch's batches: replay sampled anew, rows of like length together so that little is padded."""
    chance = random.Random(f"{settings.seed}-{epoch}")  # noqa: S311 - not for secrets
    rows = [*examples, *chance.sample(list(replay), replayed_rows(examples, replay, settings))]
    chance.shuffle(rows)
    size, stretch = settings.batch_size, settings.batch_size * BATCHES_SORTED_TOGETHER
    batches: list[list[Example]] = []
    for start in range(0, len(rows), stretch):
        alike = sorted(rows[start : start + stretch], key=lambda example: len(example.text.encode()))
        batches += [alike[at : at + size] for at in range(0, len(alike), size)]
    chance.shuffle(batches)
    return [[_augmented(example, settings, chance) for example in batch] for batch in batches]


def replayed_rows(examples: Sequence[Example], replay: Sequence[Example], settings: TrainingSettings) -> int:
    """Return how many rows of replay an epoch has."""
    return min(len(replay), int(settings.replay_share * len(examples)))


def collate(
    rows: Sequence[Example], tokenizer: Tokenizer, labels: Labels, *, process: int = 0, processes: int = 1
) -> Batch:
    """Return a process's part of the batch; where there are too few rows, one without labels, which teaches nothing."""
    places = list(range(process, len(rows), processes))
    own = [rows[place] for place in places]
    if not own:
        places, own = [0], [replace(rows[0], intent=None, sentiment=None)]
    input_ids, attention_mask = tokenizer([example.text for example in own])
    return Batch(
        input_ids,
        attention_mask,
        torch.tensor([labels.intent_index(example) for example in own]),
        torch.tensor([labels.sentiment_index(example) for example in own]),
        torch.tensor(places),
        len(rows),
    )


def _augmented(example: Example, settings: TrainingSettings, chance: random.Random) -> Example:
    text = augment(
        example.text,
        chance,
        kinds=settings.augmentations,
        share=settings.augmentation_share,
        language=example.language,
    )
    return replace(example, text=text)
