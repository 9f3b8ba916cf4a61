"""Looks for better settings with Optuna (Akiba et al. 2019, arXiv:1907.10902) and writes them for `train --settings`.

Each trial trains on the same rows and is judged on others after every epoch; one that lags behind the median of those
before is cut off. Trials are kept in a file beside the result: the same command again goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tqdm import tqdm

from nlu.adapters import ADAPTERS_FOLDER, read_manifest
from nlu.encoder import find_encoder, fingerprint
from training.commands import START_ADAPTER
from training.dataset import Example, read_examples, split
from training.settings import TrainingSettings, write_settings
from training.train import Trainer

VALIDATION_SHARE = 0.2
TRIALS_BEFORE_CUTTING = 4
RANKS = (4, 8, 16, 32)


@dataclass(frozen=True)
class Search:
    """What all trials of a search have in common: rows to train on and rows that judge, settings that stay, a start."""

    training: Sequence[Example]
    validation: Sequence[Example]
    settings: TrainingSettings
    init: Path | None
    scratch: Path


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
    settings = TrainingSettings(seed=options.seed)
    init = None if options.init == "none" else _start_adapter()
    search = Search(examples, validation, settings, init, output.with_name(f".{output.stem}.search"))
    search.scratch.mkdir(exist_ok=True)
    study = open_study(search, options.seed)
    run_trials(study, search, options.trials)
    best = settings_of(study.best_trial, search.settings, from_start=init is not None)
    write_settings(output, best)
    sys.stdout.write(f"{output}: {study.best_value:.1%} of the labels right, with {study.best_params}\n")


def open_study(search: Search, seed: int) -> optuna.Study:
    """Return the study of this search, with the trials that an earlier run has finished."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(search.scratch / "trials.jsonl")))
    return optuna.create_study(
        study_name="settings",
        storage=storage,
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=TRIALS_BEFORE_CUTTING, n_warmup_steps=1),
    )


def run_trials(study: optuna.Study, search: Search, trials: int) -> None:
    """Run trials until that many are finished or cut off; the first one has the settings that are the default."""
    if not study.trials:
        names = ("learning_rate", "epochs", "dropout", "label_smoothing", *(() if search.init else ("rank",)))
        study.enqueue_trial({name: getattr(search.settings, name) for name in names})
    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    left = trials - len(study.get_trials(states=ended))
    with tqdm(total=max(left, 0), desc="search", unit="trial") as bar:
        for _ in range(left):
            study.optimize(lambda trial: _judge(trial, search), n_trials=1)
            bar.update()
            bar.set_postfix(best=f"{study.best_value:.3f}" if study.get_trials(states=ended[:1]) else "")


def settings_of(
    trial: optuna.Trial | optuna.trial.FrozenTrial, settings: TrainingSettings, *, from_start: bool
) -> TrainingSettings:
    """Draw a trial's settings, or read those of a finished one; who begins from an adapter has that one's rank."""
    return replace(
        settings,
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 4e-3, log=True),
        epochs=trial.suggest_int("epochs", 2, 20, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.5, step=0.1),
        label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.2, step=0.05),
        rank=settings.rank if from_start else trial.suggest_categorical("rank", RANKS),
    )


def _start_adapter() -> Path | None:
    """Return the adapter that `train` begins from when it is told nothing."""
    folder = ADAPTERS_FOLDER / START_ADAPTER
    if not folder.exists():
        return None
    read_manifest(folder, encoder=fingerprint(find_encoder()))
    return folder


def _judge(trial: optuna.Trial, search: Search) -> float:
    """Train, and return the share of labels that is right at the end."""
    trainer = Trainer(
        search.training,
        validation=search.validation,
        settings=settings_of(trial, search.settings, from_start=search.init is not None),
        init=search.init,
        scratch=search.scratch,
    )
    right = 0.0
    for progress in trainer.steps():
        if progress.validation is None:
            continue
        right = progress.validation.right
        trial.report(right, step=progress.step // trainer.steps_an_epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return right
