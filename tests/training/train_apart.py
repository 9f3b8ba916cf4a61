"""One process of a training, alone or with others: `python -m tests.training.train_apart ENCODER OUT`.

A test starts it. It is cut off once, resumes, and writes the weights to `OUT.json`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from accelerate.utils import gather_object

from tests.training.small import SETTINGS, some_examples, weights
from training import train
from training.checkpoint import SaveEvery
from training.train import Trainer


def main(encoder: str, out: Path) -> None:
    """Train nine steps, of which the last batch of an epoch is smaller than the others; stop after five and go on."""
    train.SAVE_EVERY = SaveEvery(steps=4)
    settings = replace(SETTINGS, epochs=3, batch_size=15, adversarial=0.5)
    rows = some_examples(33)[:31]
    first = Trainer(rows, settings=settings, scratch=out, encoder=encoder)
    for progress in first.steps():
        if progress.step == 5:
            break
    first.accelerator.wait_for_everyone()
    second = Trainer(rows, settings=settings, scratch=out, encoder=encoder)
    for _ in second.steps():
        pass
    wrote = gather_object([second.is_main])
    if second.is_main:
        report = {
            "processes": second.accelerator.num_processes,
            "wrote": wrote,
            "weights": {name: weight.tolist() for name, weight in weights(second).items()},
        }
        out.with_suffix(".json").write_text(json.dumps(report), encoding="utf-8")
    second.accelerator.end_training()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
