"""Fits an adapter to any labelled rows with settings that suit their number, and calibrates it. What `train` runs.

Few rows: a first fit goes without every fifth row and without a fifth of the intents, which stand for the requests that
nobody thought of; temperatures, out-of-scope score and threshold are fitted on what it had not seen, and the adapter
itself is then trained on all rows. Many rows: a tenth is held back and calibrates.
Near-duplicates may stand on both sides: keeping them together brought calibration nothing when it was measured.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nlu.encoder import find_encoder
from training.adapter import Calibrated, calibrated, uncalibrated
from training.calibrate import transfer
from training.dataset import OUT_OF_SCOPE, Example, has_out_of_scope, labels_of, split
from training.model import Tokenizer, load_encoder
from training.outliers import LEFT_OUT, borrow_outliers
from training.predict import pool
from training.probe import probe_heads
from training.train import Trainer, TrainingSettings

FEW_ROWS = 2500
BATCH, STEPS_FOR_FEW, FEWEST_EPOCHS, MOST_EPOCHS = 32, 200, 3, 40
EPOCHS_FOR_MANY = 8
VALIDATION_SHARE = 0.1
CALIBRATION_SHARE = 0.2
LEFT_OUT_INTENTS = 0.2
INTENTS_TO_LEAVE_OUT = 5
NAMED_BELOW = 20
WORD = re.compile(r"[^\W\d_]{3}")
BORROWED_SHARE, BORROWED_AT_MOST = 0.5, 1000

Run = Callable[[Trainer, str], None]


@dataclass(frozen=True)
class Plan:
    """The rows of one fit: `training` labelled rows, `validation` if the user brought it, `others` to borrow from."""

    training: Sequence[Example]
    validation: Sequence[Example] | None
    others: Sequence[Example]
    replay: Sequence[Example] = ()


def settings_for(rows: int) -> TrainingSettings:
    """Return the settings for a number of labelled rows.

    A few are learned gently, since the heads begin in a good place, and half of the way is taken back; many until rows
    that are held back get no better.
    """
    if rows <= FEW_ROWS:
        epochs = max(FEWEST_EPOCHS, min(MOST_EPOCHS, round(STEPS_FOR_FEW * BATCH / max(rows, 1))))
        return TrainingSettings(epochs=epochs, learning_rate=3e-4, head_learning_rate=5e-4, way_back=0.5)
    return TrainingSettings(epochs=EPOCHS_FOR_MANY, patience=2)


def fit(
    plan: Plan, settings: TrainingSettings, *, init: Path | None, scratch: Path, run: Run
) -> tuple[Trainer, Calibrated]:
    """Train and calibrate; returns the trainer, whose network is the adapter's, and its heads with their metrics.

    `run` drives a trainer to its end under a name for the progress bar. What was interrupted goes on where it was:
    `scratch` keeps the progress of both fits, until the caller has written the adapter and removes it.
    """

    def make(rows: Sequence[Example], place: str, validation: Sequence[Example] = ()) -> Trainer:
        return begin(
            rows,
            settings,
            replay=plan.replay,
            validation=validation,
            init=init,
            scratch=scratch / place,
            keep_progress=True,
        )

    borrowed = _borrowed(plan, settings.seed)
    shown, kept = _halves(borrowed, settings.seed)
    if plan.validation is not None or len(plan.training) > FEW_ROWS:
        training, validation = list(plan.training), list(plan.validation or ())
        if plan.validation is None:
            training, validation = split(training, share=VALIDATION_SHARE, seed=settings.seed)
        trainer = make([*training, *shown], "fit", validation)
        run(trainer, "training")
        return trainer, calibrated(trainer, [*validation, *kept])
    rows, unseen = _left_out(plan.training, settings.seed)
    first = make([*rows, *shown], "calibration")
    run(first, "calibrating")
    measured = calibrated(first, [*unseen, *kept])
    trainer = make([*plan.training, *borrowed], "fit")
    run(trainer, "training")
    heads = transfer(measured.heads.settings, uncalibrated(trainer))
    return trainer, Calibrated(heads, measured.metrics)


def begin(
    rows: Sequence[Example],
    settings: TrainingSettings,
    *,
    replay: Sequence[Example] = (),
    validation: Sequence[Example] = (),
    init: Path | None,
    scratch: Path,
    keep_progress: bool = False,
) -> Trainer:
    """Return a trainer of the rows and their labels' names.

    Its heads begin at a regression; if `init` is an adapter that has labels, only those of labels that it lacks.
    """
    trainer = Trainer(
        [*rows, *label_names(rows)],
        replay=replay,
        validation=validation,
        settings=settings,
        init=init,
        scratch=scratch,
        keep_progress=keep_progress,
    )
    probe_heads(trainer)
    return trainer


def label_names(examples: Sequence[Example]) -> list[Example]:
    """Return a row for each intent of few rows whose name says what it means: "delay in delivery".

    Labels are words that somebody chose for their meaning (label semantics, Luo et al. 2021, arXiv:2105.10956).
    """
    counts = Counter(example.intent for example in examples if example.intent and example.intent != OUT_OF_SCOPE)
    spoken = {intent: _spoken(intent) for intent, count in counts.items() if count < NAMED_BELOW}
    return [Example(text, intent, source="label names") for intent, text in spoken.items() if WORD.search(text)]


def _spoken(label: str) -> str:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)  # cancelOrder
    return " ".join(re.split(r"[\s_./:-]+", parted)).strip().lower()


def _borrowed(plan: Plan, seed: int) -> list[Example]:
    intents, _ = labels_of(plan.training)
    if has_out_of_scope(plan.training) or len(intents) < 2 or not plan.others:
        return []
    labelled = [example for example in plan.training if example.intent]
    wanted = min(BORROWED_AT_MOST, round(BORROWED_SHARE * len(labelled)))
    # The bare encoder's space, which no adapter has bent towards some labels.
    source = find_encoder()
    embed = partial(pool, load_encoder(source), Tokenizer(source))
    return borrow_outliers(labelled, plan.others, embed, wanted=wanted, seed=seed)


def _halves(rows: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    mixed = chance.sample(list(rows), len(rows))
    return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]


def _left_out(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Split into rows to train on and rows to calibrate on, where those of left-out intents are out-of-scope; with
    strangers of its own, a set leaves no intents out."""
    training, unseen = split(examples, share=CALIBRATION_SHARE, seed=seed)
    if not unseen:  # so few that none can be spared
        return list(examples), list(examples)
    intents, _ = labels_of(examples)
    if has_out_of_scope(examples) or len(intents) < INTENTS_TO_LEAVE_OUT:
        return training, unseen
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    left = set(chance.sample(list(intents), round(LEFT_OUT_INTENTS * len(intents))))
    gone = [row for row in [*training, *unseen] if row.intent in left]
    strange = [replace(row, intent=OUT_OF_SCOPE, source=LEFT_OUT) for row in gone]
    known = [row for row in unseen if row.intent not in left]
    if not known:
        return training, unseen
    return [row for row in training if row.intent not in left], [*known, *strange]
