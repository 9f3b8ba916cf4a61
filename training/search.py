"""Looks for better settings with Optuna (Akiba et al. 2019, arXiv:1907.10902) and writes them for `train --settings`.

Each trial trains on the same rows and is judged on others after every epoch; one that lags behind the median of those
before is cut off. Trials are kept in a file beside the result: the same search again goes on where it was interrupted,
and one of other rows, other settings or another encoder has trials of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tqdm import tqdm

from nlu.encoder import find_encoder, fingerprint
from training.commands import default_settings
from training.dataset import Example, read_examples, split
from training.disk import needing_room
from training.fit import MOST_EPOCHS, begin
from training.settings import TrainingSettings, write_settings
from training.start import start_for

VALIDATION_SHARE = 0.2
TRIALS_BEFORE_CUTTING = 4
SOUGHT = ("learning_rate", "epochs", "dropout", "label_smoothing")


@dataclass(frozen=True)
class Search:
    """What all trials of a search have in common: rows to train on and rows that judge, and the settings that stay."""

    training: Sequence[Example]
    validation: Sequence[Example]
    settings: TrainingSettings
    scratch: Path

    @property
    def name(self) -> str:
        """What tells its trials from those of another search: a hash of all that a trial's result hangs on."""
        content = [repr(self.settings), *SOUGHT, fingerprint(find_encoder())]
        content += map(repr, [*self.training, "judged on", *self.validation])
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


@needing_room("The trials that have ended are kept; the same command goes on with the next one.")
def main(options: argparse.Namespace) -> None:
    """Run `--trials` trials, those of an interrupted search included, and write the best settings to `--output`."""
    examples = read_examples(options.data)
    validation: list[Example] = []
    if options.valid:
        validation = read_examples([options.valid])
    else:
        examples, validation = split(examples, share=VALIDATION_SHARE, seed=options.seed)
    output: Path = options.output
    output.parent.mkdir(parents=True, exist_ok=True)
    init = start_for(examples, TrainingSettings().method)
    settings = replace(default_settings(examples, init), seed=options.seed)
    search = Search(examples, validation, settings, output.with_name(f".{output.stem}.search"))
    search.scratch.mkdir(exist_ok=True)
    study = open_study(search, options.seed)
    run_trials(study, search, options.trials)
    write_settings(output, settings_of(study.best_trial, search.settings))
    sys.stdout.write(f"{output}: {study.best_value:.1%} of the labels right, with {study.best_params}\n")


def open_study(search: Search, seed: int) -> optuna.Study:
    """Return the study of this search, with the trials that an earlier run has finished."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal = search.scratch / "trials.jsonl"
    _cut_off_half_a_line(journal)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.create_study(
        study_name=search.name,
        storage=storage,
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=TRIALS_BEFORE_CUTTING, n_warmup_steps=1),
    )


def _cut_off_half_a_line(journal: Path) -> None:
    """Take away what a full disk or a power failure left at the end, after which nothing could be read any more."""
    if journal.exists():
        with journal.open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def run_trials(study: optuna.Study, search: Search, trials: int) -> None:
    """Run trials until that many are finished or cut off; the first one has the settings that are the default."""
    if not study.trials:
        study.enqueue_trial({name: getattr(search.settings, name) for name in SOUGHT})
    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    left = trials - len(study.get_trials(states=ended))
    with tqdm(total=max(left, 0), desc="search", unit="trial") as bar:
        for _ in range(left):
            study.optimize(lambda trial: _judge(trial, search), n_trials=1)
            bar.update()
            bar.set_postfix(best=f"{study.best_value:.3f}" if study.get_trials(states=ended[:1]) else "")


def settings_of(trial: optuna.Trial | optuna.trial.FrozenTrial, settings: TrainingSettings) -> TrainingSettings:
    """Draw a trial's settings, or read those of a finished one; `settings` has what is not sought."""
    return replace(
        settings,
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 4e-3, log=True),
        epochs=trial.suggest_int("epochs", 2, MOST_EPOCHS, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.5, step=0.1),
        label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.2, step=0.05),
    )


def _judge(trial: optuna.Trial, search: Search) -> float:
    """Train as `train` does but without strangers, and return the share of labels that is right at the end."""
    settings = settings_of(trial, search.settings)
    init = start_for(search.training, settings.method)
    trainer = begin(search.training, settings, validation=search.validation, init=init, scratch=search.scratch)
    for progress in trainer.steps():
        if progress.validation is None:
            continue
        trial.report(progress.validation.right, step=progress.step // trainer.steps_an_epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return trainer.validate().right
