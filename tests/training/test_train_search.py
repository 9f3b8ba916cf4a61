"""The search for settings: trials are kept, the best is written and read back; and what the trackers leave on disk."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.training.small import SETTINGS, encoder_in_use, some_examples
from training import search as search_module
from training.dataset import Example
from training.fit import begin
from training.search import Search, open_study, run_trials, settings_of
from training.settings import TrainingSettings, read_settings
from training.tracking import Log, tracked
from training.train import Trainer


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with encoder_in_use(tmp_path_factory.mktemp("small") / "encoder") as place:
        yield place


def test_a_search_goes_on_where_it_stopped_and_writes_settings_that_train_takes(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "default_settings", lambda *_: SETTINGS)
    monkeypatch.setattr(search_module, "MOST_EPOCHS", 3)
    data = tmp_path / "de.csv"
    lines = [f'"{row.text}",{row.intent}' for row in some_examples() if '"' not in row.text]
    data.write_text("\n".join(["text,intent", *lines]), encoding="utf-8")
    output = tmp_path / "best.json"
    options = argparse.Namespace(data=[data], valid=None, output=output, seed=0)
    search_module.main(argparse.Namespace(**vars(options), trials=1))
    search_module.main(argparse.Namespace(**vars(options), trials=2))
    journal = JournalFileBackend(str(tmp_path / ".best.search" / "trials.jsonl"))
    study = optuna.load_study(study_name=None, storage=JournalStorage(journal))
    assert len(study.trials) == 2
    best = settings_of(study.best_trial, SETTINGS)
    assert read_settings(output, TrainingSettings()) == best
    assert set(json.loads(output.read_text(encoding="utf-8"))) <= set(TrainingSettings.__annotations__)


def test_the_first_trial_has_the_default_settings(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_judge", lambda trial, search: _drawn_epochs(trial, search))
    search = Search([], [], TrainingSettings(), tmp_path)
    study = open_study(search, 0)
    run_trials(study, search, 1)
    assert settings_of(study.trials[0], search.settings) == TrainingSettings()


@pytest.mark.parametrize("other", [
    {"training": [Example("hallo", "greet")]},
    {"validation": [Example("hallo", "greet")]},
    {"settings": TrainingSettings(patience=3)},
])  # fmt: skip
def test_a_search_with_other_rows_or_settings_takes_no_trial_over(
    other: dict[str, Any], encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_judge", _drawn_epochs)
    search = Search([Example("danke", "thank")], [Example("moin", "greet")], TrainingSettings(), tmp_path)
    run_trials(open_study(search, 0), search, 2)
    changed = replace(search, **other)
    run_trials(open_study(changed, 0), changed, 1)
    assert [len(open_study(each, 0).trials) for each in (search, changed)] == [2, 1]


def test_half_a_line_at_the_end_of_the_trials_costs_only_what_it_began(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_judge", _drawn_epochs)
    search = Search([], [], TrainingSettings(), tmp_path)
    run_trials(open_study(search, 0), search, 2)
    with (tmp_path / "trials.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"op_code":4,"work')
    run_trials(open_study(search, 0), search, 3)
    assert len(open_study(search, 0).trials) == 3


def test_a_trial_is_judged_as_the_adapter_would_be_with_the_way_back_taken(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainers: list[Trainer] = []

    def begun(*rows: Any, **named: Any) -> Trainer:
        trainers.append(begin(*rows, **named))
        return trainers[-1]

    monkeypatch.setattr(search_module, "begin", begun)
    monkeypatch.setattr(search_module, "MOST_EPOCHS", 3)
    settings = replace(SETTINGS, way_back=0.99)
    search = Search(some_examples(18), some_examples(), settings, tmp_path)
    study = open_study(search, 0)
    run_trials(study, search, 1)
    (trainer,) = trainers
    (last,) = [value for step, value in study.best_trial.intermediate_values.items() if step == SETTINGS.epochs]
    assert study.best_value == trainer.validate().right != last


def _drawn_epochs(trial: object, search: Search) -> float:
    return float(settings_of(trial, search.settings).epochs)  # type: ignore[arg-type]


@pytest.mark.parametrize("log", ["tensorboard", "wandb"])
def test_a_logged_training_leaves_files_of_the_tracker(log: Log, encoder: str, tmp_path: Path) -> None:
    if log == "wandb":
        pytest.importorskip("wandb")
    settings = replace(SETTINGS, epochs=1)
    trainer = Trainer(some_examples(), validation=some_examples(), settings=settings, scratch=tmp_path / "scratch")
    steps = [progress.step for progress in tracked(trainer, log, tmp_path / "log")]
    assert steps == list(range(1, trainer.total_steps + 1))
    if log == "wandb":
        assert list((tmp_path / "log").rglob("*.wandb"))
        return
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = (path for path in (tmp_path / "log" / "polydesk").glob("events.*"))
    content = EventAccumulator(str(events))
    content.Reload()
    assert [event.step for event in content.Scalars("loss")] == [trainer.total_steps]
    assert content.Scalars("validation/right")


def test_a_training_that_is_not_logged_leaves_nothing(encoder: str, tmp_path: Path) -> None:
    trainer = Trainer(some_examples(), settings=replace(SETTINGS, epochs=1), scratch=tmp_path / "scratch")
    assert len(list(tracked(trainer, None, tmp_path / "log"))) == trainer.total_steps
    assert not (tmp_path / "log").exists()
