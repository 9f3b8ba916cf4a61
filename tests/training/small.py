"""A training that takes a second: an encoder of a few layers that knows nothing, and a handful of our messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from tests.training.releases.miniature import make_encoder
from training.adapter import Provenance, finish
from training.dataset import Example, read_examples
from training.train import Trainer, TrainingSettings

INTENTS = ("greet", "thank", "track_order")
SETTINGS = TrainingSettings(epochs=2, batch_size=8, learning_rate=3e-3, head_learning_rate=2e-2)
EXAMPLES = Path(__file__).parents[2] / "training" / "examples"


def some_examples(rows: int = 36) -> list[Example]:
    """Return rows of a few German intents, the same number of each."""
    found = read_examples([EXAMPLES / "de.yml"])
    return [row for intent in INTENTS for row in [row for row in found if row.intent == intent][: rows // len(INTENTS)]]


def small_encoder(folder: Path) -> str:
    """Write an encoder into the folder and return its place."""
    make_encoder(folder, [row.text for row in read_examples([EXAMPLES / "de.yml"])][:600])
    return str(folder)


@contextmanager
def encoder_in_use(folder: Path) -> Iterator[str]:
    """Write an encoder and let everything take it for ours meanwhile; gives its place."""
    with pytest.MonkeyPatch.context() as patch:
        place = small_encoder(folder)
        patch.setenv("POLYDESK_ENCODER", place)
        yield place


def write_small_adapter(encoder: str, folder: Path) -> Path:
    """Train an adapter on some examples and write it into the folder, after which it is named."""
    trainer = trained(encoder, folder.with_name("scratch"))
    finish(trainer, name=folder.name, validation=some_examples(), provenance=Provenance({}, "a test"), target=folder)
    return folder


def trained(
    encoder: str, scratch: Path, examples: Sequence[Example] = (), *, init: Path | None = None, **settings: Any
) -> Trainer:
    """Train to the end."""
    wanted = replace(SETTINGS, **settings)
    trainer = Trainer(examples or some_examples(), settings=wanted, init=init, scratch=scratch, encoder=encoder)
    for _ in trainer.steps():
        pass
    return trainer


def weights(trainer: Trainer) -> dict[str, Tensor]:
    """Return what was trained."""
    return {name: parameter.detach() for name, parameter in trainer.network.trainable().items()}
