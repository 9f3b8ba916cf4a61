"""What `train` promises of any rows: all are learned, unseen ones calibrate, names help, interruptions do not hurt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.small import EXAMPLES, SETTINGS, encoder_in_use, weights
from training import fit as fit_module
from training import train as train_module
from training.adapter import Calibrated, Provenance, write_adapter
from training.checkpoint import SaveEvery
from training.dataset import OUT_OF_SCOPE, Example, read_examples
from training.fit import FEW_ROWS, Plan, begin, fit, label_names, settings_for
from training.outliers import BORROWED, LEFT_OUT, Embed
from training.predict import pool
from training.train import Trainer

INTENTS = ("cancel_order", "get_invoice", "get_refund", "greet", "thank", "track_order")
ROWS_AN_INTENT = 8
QUICK = replace(SETTINGS, epochs=1, batch_size=16)


@dataclass
class Runs:
    """Drives trainers to their end and remembers them; cuts the one of this name off after so many steps."""

    cut: tuple[str, int] | None = None
    trainers: dict[str, Trainer] = field(default_factory=dict)
    first_steps: dict[str, int] = field(default_factory=dict)

    def __call__(self, trainer: Trainer, name: str) -> None:
        self.trainers[name] = trainer
        for progress in trainer.steps():
            self.first_steps.setdefault(name, progress.step)
            if (name, progress.step) == self.cut:
                raise KeyboardInterrupt


@dataclass
class Seen:
    """Calibrates as ever and remembers on which rows."""

    rows: list[Example] = field(default_factory=list)
    results: list[Calibrated] = field(default_factory=list)

    def __call__(self, trainer: Trainer, validation: Sequence[Example]) -> Calibrated:
        self.rows = list(validation)
        self.results.append(calibrated(trainer, validation))
        return self.results[-1]


calibrated = fit_module.calibrated


@pytest.fixture(scope="module", autouse=True)
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with encoder_in_use(tmp_path_factory.mktemp("small") / "encoder") as place:
        yield place


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    spy = Seen()
    monkeypatch.setattr(fit_module, "calibrated", spy)
    return spy


def borrow_any(
    examples: Sequence[Example], pool: Sequence[Example], embed: Embed, *, wanted: int, seed: int
) -> list[Example]:
    """Borrow the first of the pool: `tests/training/test_outliers.py` looks at which are borrowed."""
    return [replace(row, intent=OUT_OF_SCOPE, sentiment=None, source=BORROWED) for row in pool[:wanted]]


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Give rows of six intents, and of all the others to borrow from, none of which counts as covered."""
    monkeypatch.setattr(fit_module, "borrow_outliers", borrow_any)
    found = read_examples([EXAMPLES / "de.yml"])
    own = [row for intent in INTENTS for row in [row for row in found if row.intent == intent][:ROWS_AN_INTENT]]
    others = [row for row in found if row.intent not in (*INTENTS, OUT_OF_SCOPE)][:100]
    return Plan(own, None, others)


def test_a_few_rows_are_all_trained_on(plan: Plan, tmp_path: Path) -> None:
    runs = Runs()
    trainer, _ = fit(plan, QUICK, init=None, scratch=tmp_path / "scratch", run=runs)
    assert trainer is runs.trainers["training"]
    assert set(plan.training) <= set(trainer.examples)
    borrowed = [row for row in trainer.examples if row.source == BORROWED]
    assert len(borrowed) == len(plan.training) / 2
    assert {row.intent for row in borrowed} == {OUT_OF_SCOPE}


def test_a_few_rows_calibrate_on_what_the_first_fit_had_not_seen(plan: Plan, seen: Seen, tmp_path: Path) -> None:
    runs = Runs()
    _, result = fit(plan, QUICK, init=None, scratch=tmp_path, run=runs)
    learned = {row.text for row in runs.trainers["calibrating"].examples}
    unseen = {row.text for row in seen.rows}
    assert not learned & unseen
    assert {row.text for row in plan.training} <= learned | unseen
    known = set(runs.trainers["calibrating"].intents)
    strange = [row for row in plan.training if row.intent not in known]
    assert len({row.intent for row in strange}) == round(0.2 * len(INTENTS))
    assert {(row.text, OUT_OF_SCOPE) for row in strange} <= {(row.text, row.intent) for row in seen.rows}
    assert {row.intent for row in seen.rows} == {*known, OUT_OF_SCOPE}
    measured = seen.results[0].heads.settings
    assert result.heads.settings.threshold == measured.threshold
    assert result.heads.settings.out_of_scope_weights == measured.out_of_scope_weights
    assert set(result.heads.settings.intents) == set(INTENTS)


@pytest.mark.parametrize("sentiments_alone", [False, True])
def test_rows_so_few_that_none_can_be_spared_are_fitted_all_the_same(
    plan: Plan, sentiments_alone: bool, tmp_path: Path
) -> None:
    pairs = [row for intent in INTENTS[:3] for row in [row for row in plan.training if row.intent == intent][:2]]
    if sentiments_alone:
        pairs = [replace(row, intent=None, sentiment=("negative", "positive")[n % 2]) for n, row in enumerate(pairs)]
    runs = Runs()
    trainer, result = fit(Plan(pairs, None, plan.others), QUICK, init=None, scratch=tmp_path / "scratch", run=runs)
    assert set(pairs) <= set(trainer.examples)
    assert result.metrics["rows"] > 0


def test_many_rows_hold_a_tenth_back_that_calibrates(
    plan: Plan, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_module, "FEW_ROWS", 40)
    runs = Runs()
    fit(plan, QUICK, init=None, scratch=tmp_path, run=runs)
    assert list(runs.trainers) == ["training"]
    held = set(plan.training) - set(runs.trainers["training"].examples)
    assert 0.02 < len(held) / len(plan.training) < 0.2
    assert held == set(seen.rows) & set(plan.training)


def test_rows_that_the_user_brings_calibrate_and_the_others_are_all_trained_on(
    plan: Plan, seen: Seen, tmp_path: Path
) -> None:
    validation = [row for number, row in enumerate(plan.training) if number % 4 == 0]
    training = [row for row in plan.training if row not in validation]
    runs = Runs()
    fit(Plan(training, validation, others=()), QUICK, init=None, scratch=tmp_path, run=runs)
    assert set(training) <= set(runs.trainers["training"].examples)
    assert seen.rows == validation


def test_rows_with_their_own_out_of_scope_borrow_none(plan: Plan, tmp_path: Path) -> None:
    own = [replace(row, intent=OUT_OF_SCOPE) if row.intent == "greet" else row for row in plan.training]
    trainer, _ = fit(replace(plan, training=own), QUICK, init=None, scratch=tmp_path, run=Runs())
    assert not [row for row in trainer.examples if row.source == BORROWED]


def test_where_nothing_can_be_borrowed_left_out_intents_still_stand_for_strangers(
    plan: Plan, seen: Seen, tmp_path: Path
) -> None:
    trainer, result = fit(replace(plan, others=()), QUICK, init=None, scratch=tmp_path, run=Runs())
    assert not trainer.has_out_of_scope
    assert {row.source for row in seen.rows if row.intent == OUT_OF_SCOPE} == {LEFT_OUT}
    assert result.heads.settings.out_of_scope_weights[-1] > 0


def test_settings_suit_the_number_of_rows() -> None:
    few, more, many = settings_for(20), settings_for(FEW_ROWS), settings_for(FEW_ROWS + 1)
    assert few.epochs > more.epochs
    assert (few.patience, more.patience) == (0, 0)  # which would hold rows back
    assert many.patience > 0


@pytest.mark.parametrize("cut", [("calibrating", 3), ("training", 3)])
def test_an_interrupted_fit_goes_on_where_it_was_and_ends_with_the_same_adapter(
    cut: tuple[str, int], plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_module, "SAVE_EVERY", SaveEvery(steps=2))
    whole, expected = fit(plan, QUICK, init=None, scratch=tmp_path / "whole", run=Runs())
    with pytest.raises(KeyboardInterrupt):
        fit(plan, QUICK, init=None, scratch=tmp_path / "cut", run=Runs(cut))
    again = Runs()
    trainer, result = fit(plan, QUICK, init=None, scratch=tmp_path / "cut", run=again)
    assert again.first_steps[cut[0]] == 3
    assert cut[0] == "calibrating" or "calibrating" not in again.first_steps
    for name, weight in weights(whole).items():
        assert torch.equal(weight, weights(trainer)[name]), name
    assert result.heads.settings == expected.heads.settings


def test_labels_names_become_rows_where_examples_are_few() -> None:
    rows = [Example(f"about {label}", label) for label in ("cancelOrder", "delay_in.delivery", "7", OUT_OF_SCOPE)]
    rows += [Example(f"a message {n}", "well_known") for n in range(20)]
    names = {row.text: row.intent for row in label_names(rows)}
    assert names == {"cancel order": "cancelOrder", "delay in delivery": "delay_in.delivery"}


def test_heads_begin_at_the_regression_and_those_of_a_start_are_kept(plan: Plan, encoder: str, tmp_path: Path) -> None:
    rows = [replace(row, sentiment=("negative", "neutral", "positive")[n % 3]) for n, row in enumerate(plan.training)]
    begun = begin(rows, QUICK, init=None, scratch=tmp_path)
    bare = Trainer(rows, settings=QUICK, scratch=tmp_path)
    assert _right(begun) > 0.95 > 0.6 > _right(bare)
    result = calibrated(begun, rows)
    write_adapter(begun, result, name="start", provenance=Provenance({}, "a test"), target=tmp_path / "start")
    after = begin(rows, QUICK, init=tmp_path / "start", scratch=tmp_path)
    assert torch.equal(after.network.intent.weight, begun.network.intent.weight)
    assert torch.equal(after.network.sentiment.bias, begun.network.sentiment.bias)


def test_no_rows_to_calibrate_on_leave_the_defaults(plan: Plan, tmp_path: Path) -> None:
    begun = begin(plan.training, QUICK, init=None, scratch=tmp_path)
    result = calibrated(begun, [])
    assert result.metrics == {"rows": 0}
    assert result.heads.settings.threshold == 0.5


def test_two_labels_begin_at_the_regression_as_well(plan: Plan, tmp_path: Path) -> None:
    two = sorted({row.intent for row in plan.training if row.intent})[:2]
    rows = [row for row in plan.training if row.intent in two]
    assert _right(begin(rows, QUICK, init=None, scratch=tmp_path)) > 0.95


def _right(trainer: Trainer) -> float:
    pooled = torch.tensor(pool(trainer.network.body, trainer.tokenizer, [row.text for row in trainer.examples]))
    with torch.no_grad():
        found = trainer.network.intent(pooled).argmax(dim=1).tolist()
    right = [trainer.intents[place] == row.intent for place, row in zip(found, trainer.examples, strict=True)]
    return sum(right) / len(right)


def test_an_intent_that_the_earlier_adapter_lacks_begins_with_what_tells_it_apart(tmp_path: Path) -> None:
    rows = [row for row in read_examples([EXAMPLES / "de.yml"]) if row.intent in INTENTS]
    rows = [row for intent in INTENTS for row in [row for row in rows if row.intent == intent][:ROWS_AN_INTENT]]
    *old, new = INTENTS
    first = begin([row for row in rows if row.intent in old], QUICK, init=None, scratch=tmp_path / "first")
    made = Provenance({}, "a test")
    write_adapter(first, calibrated(first, rows), name="old", provenance=made, target=tmp_path / "old")
    trainer = begin(rows, QUICK, init=tmp_path / "old", scratch=tmp_path / "second")
    pooled = pool(trainer.network.body, trainer.tokenizer, [row.text for row in rows])
    logits = trainer.network.intent(torch.tensor(pooled)).detach().numpy()
    best = np.array(trainer.intents)[logits[:, : len(trainer.intents)].argmax(axis=1)]
    is_new = np.array([row.intent == new for row in rows])
    assert (best[is_new] == new).mean() > 0.7
    assert (best[~is_new] == new).mean() < 0.2
