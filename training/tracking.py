"""Shows a training's progress in TensorBoard or Weights & Biases, through accelerate's trackers.

Nothing leaves the machine: Weights & Biases runs offline, and who wants to send its files does so by `wandb sync`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from accelerate.tracking import GeneralTracker, TensorBoardTracker, WandBTracker

from training.dataset import DatasetError
from training.train import Progress, Trainer

Log = Literal["tensorboard", "wandb"]
LOGS: tuple[Log, ...] = get_args(Log)
PROJECT = "polydesk"
LOG_EVERY = 10


def tracked(trainer: Trainer, log: Log | None, folder: Path) -> Iterator[Progress]:
    """Train as `trainer.steps()` does, and write what happens to `folder`; None writes nothing.

    Raises `DatasetError` if the library is not installed.
    """
    if log is None or not trainer.is_main:
        yield from trainer.steps()
        return
    if find_spec(log) is None:
        raise DatasetError(f"--log {log} needs the package {log}: pip install {log}")
    tracker = _tracker(log, folder)
    settings = asdict(trainer.settings)
    tracker.store_init_configuration({**settings, "augmentations": ", ".join(settings["augmentations"])})
    try:
        for progress in trainer.steps():
            if progress.step % LOG_EVERY == 0 or progress.step == progress.steps or progress.validation:
                tracker.log(_values(progress), step=progress.step)
            yield progress
    finally:
        tracker.finish()


def _tracker(log: Log, folder: Path) -> GeneralTracker:
    folder.mkdir(parents=True, exist_ok=True)
    if log == "tensorboard":
        tracker = TensorBoardTracker(PROJECT, logging_dir=str(folder))
    else:
        tracker = WandBTracker(PROJECT, mode="offline", dir=str(folder))
    tracker.start()
    return tracker


def _values(progress: Progress) -> dict[str, float]:
    values = {"loss": progress.loss}
    if progress.validation:
        values |= {"validation/right": progress.validation.right, "validation/loss": -progress.validation.minus_loss}
    return values
