"""The search for settings: trials are kept, the best is written and read back; and what the trackers leave on disk."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.small import SETTINGS, encoder_in_use, some_examples
from training import search as search_module
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
    monkeypatch.setattr(search_module, "settings_for", lambda rows: SETTINGS)
    monkeypatch.setattr(search_module, "MOST_EPOCHS", 3)
    data = tmp_path / "de.csv"
    lines = [f'"{row.text}",{row.intent}' for row in some_examples() if '"' not in row.text]
    data.write_text("\n".join(["text,intent", *lines]), encoding="utf-8")
    output = tmp_path / "best.json"
    options = argparse.Namespace(data=[data], valid=None, output=output, seed=0)
    search_module.main(argparse.Namespace(**vars(options), trials=1))
    search_module.main(argparse.Namespace(**vars(options), trials=2))
    kept = Search([], [], TrainingSettings(), tmp_path / ".best.search")
    study = open_study(kept, 0)
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
