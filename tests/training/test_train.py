"""Every kind of adapter trains, saves, loads and is served or refused; interrupted runs resume; options work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from nlu.adapters import DamagedAdapterError
from nlu.export import write_served
from nlu.heads import Heads
from tests.training.small import INTENTS, SETTINGS, small_encoder, some_examples, trained, weights
from training import train as train_module
from training.adapter import Provenance, finish, uncalibrated
from training.checkpoint import SaveEvery
from training.dataset import DatasetError, Example
from training.model import Method
from training.predict import AdapterPredictor, pool
from training.settings import read_settings, write_settings
from training.stopping import BestEpoch, Validation
from training.train import Trainer, TrainingSettings

PROJECT = Path(__file__).parents[2]
HALF = 2e-3  # what saving in half precision may change
MADE_BY = Provenance({}, "a test")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small_encoder(tmp_path_factory.mktemp("small") / "encoder")


@pytest.mark.parametrize("method", ["lora", "adalora", "ia3", "prefix"])
def test_each_kind_is_the_same_after_saving_and_served_if_it_can_be_merged(
    method: Method, encoder: str, tmp_path: Path
) -> None:
    trainer = trained(encoder, tmp_path / "scratch", method=method, epochs=3)
    folder, rows = tmp_path / method, some_examples()
    finish(trainer, name=method, validation=rows, provenance=MADE_BY, target=folder)
    texts = [row.text for row in rows]
    before = pool(trainer.network.body, trainer.tokenizer, texts)
    loaded = AdapterPredictor(folder, encoder=encoder)
    assert abs(pool(loaded.body, loaded.tokenizer, texts) - before).max() < HALF * max(1.0, abs(before).max())
    target = tmp_path / "served.onnx"
    if method == "prefix":
        with pytest.raises(DamagedAdapterError, match="only lora, adalora, ia3 can be merged"):
            write_served(folder, loaded.manifest, target, encoder=encoder, bodies=tmp_path)
        return
    write_served(folder, loaded.manifest, target, encoder=encoder, bodies=tmp_path)
    assert target.stat().st_size > 0


def test_kept_intents_of_which_no_example_is_left_stay_as_they_were(encoder: str, tmp_path: Path) -> None:
    folder = tmp_path / "first"
    first = trained(encoder, tmp_path / "a")
    finish(first, name="first", validation=some_examples(), provenance=MADE_BY, target=folder)
    rows = [row for row in some_examples() if row.intent != "thank"]
    keep = ("thank", "never_known")
    second = Trainer(rows, settings=SETTINGS, init=folder, scratch=tmp_path / "b", encoder=encoder, keep=keep)
    for _ in second.steps():
        pass
    before, after = Heads.load(folder), uncalibrated(second)
    assert after.settings.intents == INTENTS
    for name in ("intent_weight", "intent_bias", "centroids"):
        old, new = getattr(before, name), getattr(after, name)
        assert [intent for place, intent in enumerate(INTENTS) if (old[place] == new[place]).all()] == ["thank"]
    assert (after.prototypes[-1] == before.centroids[INTENTS.index("thank")]).all()
    forgetting = Trainer(rows, settings=SETTINGS, init=folder, scratch=tmp_path / "c", encoder=encoder)
    assert "thank" not in forgetting.intents


@pytest.mark.parametrize("method", ["lora", "adalora"])
def test_an_interrupted_training_ends_with_the_same_weights(
    method: Method, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_module, "SAVE_EVERY", SaveEvery(steps=4))
    settings = replace(SETTINGS, method=method, epochs=4, patience=3, contrast=0.1, adversarial=0.5)
    whole = trained(encoder, tmp_path / "whole", **vars(settings))
    first = Trainer(some_examples(), settings=settings, scratch=tmp_path / "cut", encoder=encoder)
    for progress in first.steps():
        if progress.step == 10:
            break
    second = Trainer(some_examples(), settings=settings, scratch=tmp_path / "cut", encoder=encoder)
    steps = [progress.step for progress in second.steps()]
    assert steps[0] == 9
    for name, weight in weights(whole).items():
        assert torch.equal(weight, weights(second)[name]), name
    assert not list((tmp_path / "cut").iterdir())


@pytest.mark.parametrize(("after", "is_due"), [((3, 1.0), False), ((4, 0.0), True), ((1, 9.0), True)])
def test_progress_is_saved_after_so_many_steps_or_seconds(after: tuple[int, float], is_due: bool) -> None:
    assert SaveEvery(steps=4, seconds=9.0).is_due(*after) is is_due


def test_a_slow_training_saves_before_it_has_made_many_steps(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_module, "SAVE_EVERY", SaveEvery(steps=1000, seconds=0.0))
    steps = Trainer(some_examples(), settings=SETTINGS, scratch=tmp_path, encoder=encoder).steps()
    next(steps)
    assert (tmp_path / "progress.safetensors").exists()
    second = Trainer(some_examples(), settings=SETTINGS, scratch=tmp_path, encoder=encoder)
    assert next(iter(second.steps())).step == 2


def test_progress_of_other_rows_or_settings_is_not_taken_up(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_module, "SAVE_EVERY", SaveEvery(steps=2))
    first = Trainer(some_examples(), settings=SETTINGS, scratch=tmp_path, encoder=encoder)
    for progress in first.steps():
        if progress.step == 4:
            break
    for rows, settings in ((some_examples()[1:], SETTINGS), (some_examples(), replace(SETTINGS, dropout=0.1))):
        other = Trainer(rows, settings=settings, scratch=tmp_path, encoder=encoder)
        assert next(iter(other.steps())).step == 1


@pytest.mark.parametrize(
    "option",
    [
        {"contrast": 1.0},
        {"adversarial": 1.0},
        {"label_smoothing": 0.3},
        {"dropout": 0.5},
        {"weight_decay": 0.5},
        {"augmentations": ("transliteration", "code_switching", "placeholders"), "augmentation_share": 1.0},
    ],
)
def test_each_technique_changes_what_is_learned(option: dict[str, object], encoder: str, tmp_path: Path) -> None:
    plain, other = trained(encoder, tmp_path / "a", epochs=1), trained(encoder, tmp_path / "b", epochs=1, **option)
    name = "intent.weight"
    assert not torch.equal(weights(plain)[name], weights(other)[name])
    assert torch.isfinite(weights(other)[name]).all()


def test_holding_keeps_the_weights_near_those_of_the_start(encoder: str, tmp_path: Path) -> None:
    start = trained(encoder, tmp_path / "scratch")
    finish(start, name="start", validation=some_examples(), provenance=MADE_BY, target=tmp_path / "start")
    away = []
    for hold in (0.0, 10.0):
        after = trained(encoder, tmp_path / "scratch", some_examples(18), init=tmp_path / "start", hold=hold)
        away.append(sum(float((w - after.anchor[n]).square().sum()) for n, w in after._adapter_weights()))
    assert away[1] < away[0] / 2


def test_an_adapter_of_another_kind_or_rank_is_refused_as_a_start(encoder: str, tmp_path: Path) -> None:
    start = trained(encoder, tmp_path / "scratch", epochs=1)
    finish(start, name="start", validation=some_examples(), provenance=MADE_BY, target=tmp_path / "start")
    for change in ({"method": "ia3"}, {"rank": 4}):
        with pytest.raises(DatasetError, match="lora of rank 16"):
            trained(encoder, tmp_path / "scratch", init=tmp_path / "start", **change)


def test_progress_is_forgotten_only_when_the_adapter_is_written(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, epochs=1)
    trainer = Trainer(some_examples(), settings=settings, scratch=tmp_path, encoder=encoder, keep_progress=True)
    assert list(trainer.steps())
    write = partial(finish, trainer, name="a", validation=[], provenance=MADE_BY, target=tmp_path / "a")
    with monkeypatch.context() as patch, pytest.raises(TypeError):
        patch.setattr("training.adapter.write_card", None)
        write()
    assert (tmp_path / "progress.safetensors").exists()
    write()
    assert not (tmp_path / "progress.safetensors").exists()


def test_training_stops_when_validation_no_longer_gets_better_and_keeps_the_best(encoder: str, tmp_path: Path) -> None:
    # Validation rows whose labels are all wrong: the better the fit, the worse they are met.
    turned = dict(zip(INTENTS, [*INTENTS[1:], INTENTS[0]], strict=True))
    wrong = [Example(row.text, turned[row.intent or ""], None, "de") for row in some_examples()]
    settings = replace(SETTINGS, epochs=30, patience=2)
    trainer = Trainer(some_examples(), validation=wrong, settings=settings, scratch=tmp_path, encoder=encoder)
    seen = [progress.validation for progress in trainer.steps() if progress.validation]
    assert len(seen) < 30
    best = max(seen)
    assert seen.index(best) == len(seen) - 3
    restored = trainer.validate()
    assert restored.right == best.right
    assert restored.minus_loss == pytest.approx(best.minus_loss, abs=1e-3)


def test_the_best_epoch_is_the_one_with_most_labels_right_then_least_loss() -> None:
    best, parameter = BestEpoch(), torch.nn.Parameter(torch.zeros(1))
    for step, validation in enumerate([Validation(0.5, -1.0), Validation(0.5, -0.9), Validation(0.4, -0.1)]):
        parameter.data.fill_(step)
        best.see(validation, {"w": parameter})
    assert best.waited == 1
    best.restore({"w": parameter})
    assert float(parameter) == 1.0


def test_patience_without_validation_rows_holds_some_back(encoder: str, tmp_path: Path) -> None:
    trainer = Trainer(some_examples(), settings=replace(SETTINGS, patience=1), scratch=tmp_path, encoder=encoder)
    assert trainer.validation
    assert not set(trainer.validation) & set(trainer.examples)


def test_settings_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    settings = TrainingSettings(rank=8, dropout=0.1, augmentations=("casing",))
    write_settings(tmp_path / "s.json", settings)
    others = TrainingSettings(epochs=40, dropout=0.3, hold=0.005)
    assert read_settings(tmp_path / "s.json", others) == settings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"rnak": 8}', "rnak is not a setting"),
        ('{"rank": 0}', "rank"),
        ('{"dropout": 1.5}', "dropout"),
        ('{"learning_rate": "fast"}', "learning_rate"),
        ('{"augmentations": ["rhymes"]}', "rhymes"),
        ("[", "s.json"),
    ],
)
def test_settings_that_cannot_be_are_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        read_settings(tmp_path / "s.json", TrainingSettings())


@pytest.mark.timeout(600)
def test_two_processes_learn_what_one_learns_and_only_the_first_writes(encoder: str, tmp_path: Path) -> None:
    together = ["torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d"]
    together += ["--rdzv-endpoint=127.0.0.1:0", "-m"]
    reports = {}
    for way, launcher in {"one": [], "two": together}.items():
        program = ["tests.training.train_apart", encoder, str(tmp_path / way)]
        command = [sys.executable, "-m", *launcher, *program]
        environment = {**os.environ, "ACCELERATE_MIXED_PRECISION": "no", "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, cwd=PROJECT, env=environment, timeout=500)
        reports[way] = json.loads((tmp_path / f"{way}.json").read_text(encoding="utf-8"))
    assert (reports["one"]["processes"], reports["two"]["processes"]) == (1, 2)
    assert reports["two"]["wrote"] == [True, False]
    for name, values in reports["one"]["weights"].items():
        assert torch.allclose(torch.tensor(values), torch.tensor(reports["two"]["weights"][name]), atol=1e-4), name


def test_what_dropout_takes_away_is_what_a_message_has_apart_from_the_others(encoder: str, tmp_path: Path) -> None:
    trainer = Trainer(some_examples(), settings=SETTINGS, scratch=tmp_path, encoder=encoder)
    next(iter(trainer.steps()))
    rows = some_examples()
    pooled = torch.tensor(pool(trainer.network.body, trainer.tokenizer, [row.text for row in rows]))
    centre = trainer.network.centre
    assert float((centre - pooled.mean(dim=0)).norm()) < 0.5 * float((pooled - pooled.mean(dim=0)).norm(dim=1).mean())
    nothing_kept = torch.zeros(len(rows), trainer.network.hidden)
    logits, _, _ = trainer.network(*trainer.tokenizer([row.text for row in rows]), kept=nothing_kept)
    assert torch.allclose(logits, trainer.network.intent(centre).expand_as(logits), atol=0.02)


def test_the_way_back_ends_between_the_beginning_and_the_end_of_training(encoder: str, tmp_path: Path) -> None:
    begun = weights(Trainer(some_examples(), settings=SETTINGS, scratch=tmp_path / "begun", encoder=encoder))
    ended = weights(trained(encoder, tmp_path / "ended"))
    halfway = weights(trained(encoder, tmp_path / "halfway", way_back=0.5))
    for name, weight in halfway.items():
        assert torch.allclose(weight, (begun[name] + ended[name]) / 2, atol=1e-6), name
    assert any(bool((ended[name] - begun[name]).any()) for name in begun)
