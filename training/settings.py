"""How an adapter is trained: every choice by name, its default, and the JSON file in which they can be given."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import msgspec

from training.augment import DEFAULT_KINDS, SHARE, Kind
from training.dataset import DatasetError
from training.disk import write_durably
from training.model import DROPOUT, RANK, Method

Count = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]


@dataclass(frozen=True)
class TrainingSettings:
    """How one adapter is trained. Rates are per step, shares between 0 and 1.

    `replay_share` is how many replayed rows an epoch adds, as a share of its own rows; `hold` weighs the distance from
    the adapter that training started from. What is 0 is off: `patience` is the number of epochs without a better
    validation after which training stops, `contrast` weighs the supervised contrastive loss, `adversarial` is the
    length of the push against the embeddings of a row, `way_back` is how far the trained weights are taken back to
    where they began (WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903): less is learned of the rows, and less
    forgotten of how to tell strangers from them. `python -m tests.benchmarks.ablation` tells what `method`,
    `weight_decay`, `label_smoothing`, `dropout`, `patience`, `contrast`, `adversarial`, `way_back` and the
    augmentations bring; `hold` and `replay_share` keep other markets' languages, which it does not measure.
    """

    method: Method = "lora"
    epochs: Count = 8
    batch_size: Count = 32
    learning_rate: Positive = 8e-4
    head_learning_rate: Positive = 2e-3
    weight_decay: NotNegative = 0.01
    warmup: Share = 0.06
    label_smoothing: Share = 0.05
    sentiment_weight: NotNegative = 0.7
    replay_share: NotNegative = 0.5
    hold: NotNegative = 0.0
    seed: int = 0
    rank: Count = RANK
    dropout: Share = DROPOUT
    patience: Annotated[int, msgspec.Meta(ge=0)] = 0
    contrast: NotNegative = 0.0
    contrast_temperature: Positive = 0.1
    adversarial: NotNegative = 0.0
    way_back: Share = 0.0
    augmentations: tuple[Kind, ...] = DEFAULT_KINDS
    augmentation_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = SHARE


def read_settings(path: Path, defaults: TrainingSettings) -> TrainingSettings:
    """Return the defaults with what the JSON file says in their place.

    Raises `DatasetError` if it cannot be read, has a name that is no setting, or a value that cannot be.
    """
    try:
        given = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        unknown = set(given) - {field.name for field in fields(TrainingSettings)}
        if unknown:
            raise DatasetError(f"{path}: {', '.join(sorted(unknown))} is not a setting of training.")
        return msgspec.convert({**asdict(defaults), **given}, TrainingSettings)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: {error}") from error


def write_settings(path: Path, settings: TrainingSettings) -> None:
    """Write everything but what has options of its own, seed and method, as JSON that `read_settings` takes."""
    written = {name: value for name, value in asdict(settings).items() if name not in ("seed", "method")}
    write_durably(path, json.dumps(written, indent=2).encode() + b"\n")
