"""What the start promises: intents it saw come apart, it has no labels, and `train` begins from it where it fits."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nlu.adapters import ADAPTERS_FOLDER, read_manifest
from nlu.heads import Floats, Heads, unit
from tests.training.small import SETTINGS, encoder_in_use, small_encoder, some_examples, write_small_adapter
from training import start as start_module
from training.adapter import Provenance
from training.dataset import OUT_OF_SCOPE, Example
from training.fit import begin
from training.predict import pool
from training.start import ROWS_AN_INTENT, START, Family, default_start, learn_space, make_start, start_for
from training.train import Trainer

NEAR = {"lost": "a", "stolen": "b", "late": "p", "early": "q"}
PROVENANCE = Provenance({"examples": 36}, "python -m training adapters --only start")


@pytest.fixture(scope="module", autouse=True)
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with encoder_in_use(tmp_path_factory.mktemp("small") / "encoder") as place:
        yield place


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a start where `train` looks for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(start_module, "STEPS", 3)
    target, scratch = ADAPTERS_FOLDER / START, tmp_path / "scratch"
    make_start([(1.0, some_examples())], provenance=PROVENANCE, target=target, scratch=scratch)
    return ADAPTERS_FOLDER / START


def embed(texts: Sequence[str]) -> Floats:
    """Place a text by its first letter alone: what a test wants near each other begins alike."""
    places = np.array([ord(text[0]) for text in texts], dtype=np.float32)
    return np.stack([np.cos(places), np.sin(places)], axis=1)


def likeness(trainer: Trainer) -> float:
    """Return how much nearer messages of one intent are to each other than to the rest, by cosine."""
    rows = some_examples()
    vectors = pool(trainer.network.body, trainer.tokenizer, [row.text for row in rows])
    cosines = unit(vectors - vectors.mean(axis=0)) @ unit(vectors - vectors.mean(axis=0)).T
    intents = np.array([row.intent for row in rows])
    same = intents[:, None] == intents[None, :]
    return float(cosines[same & ~np.eye(len(rows), dtype=bool)].mean() - cosines[~same].mean())


def test_messages_of_one_intent_come_nearer_to_each_other_than_to_the_rest(tmp_path: Path) -> None:
    settings = replace(SETTINGS, contrast_temperature=0.3)
    trainer = Trainer(some_examples(), settings=settings, scratch=tmp_path)
    before = likeness(trainer)
    losses = list(learn_space(trainer, [(1.0, Family.of(some_examples(), embed))], steps=80))
    assert len(losses) == 80
    assert likeness(trainer) > before + 0.2


def test_a_batch_has_partners_of_every_intent_and_nothing_out_of_scope() -> None:
    rows = [*some_examples(), Example("who won the match", OUT_OF_SCOPE), Example("alone", "alone")]
    drawn = Family.of(rows, embed).draw(random.Random(0))
    counts = {intent: sum(row.intent == intent for row in drawn) for intent in {row.intent for row in drawn}}
    assert set(counts) == {row.intent for row in some_examples()}
    assert set(counts.values()) == {ROWS_AN_INTENT}


def test_a_batch_is_of_intents_that_are_near_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_module, "NEIGHBOURS", 2)
    rows = [Example(f"{letter} {number}", intent) for intent, letter in NEAR.items() for number in range(3)]
    family, chance = Family.of(rows, embed), random.Random(0)
    drawn = {frozenset(str(row.intent) for row in family.draw(chance)) for _ in range(20)}
    assert drawn == {frozenset({"lost", "stolen"}), frozenset({"late", "early"})}


def test_a_start_is_a_whole_adapter_without_labels(start: Path) -> None:
    manifest = read_manifest(start)
    assert (manifest.name, manifest.training["sources"]) == (START, PROVENANCE.sources)
    heads = Heads.load(start)
    assert heads.settings.intents == heads.settings.sentiments == ()


def test_training_begins_from_the_start_with_heads_that_tell_the_labels_apart(start: Path, tmp_path: Path) -> None:
    folder = default_start("lora")
    assert folder == start
    trainer = begin(some_examples(), SETTINGS, init=folder, scratch=tmp_path / "fit")
    names = [weight for name, weight in trainer.network.trainable().items() if "lora_B" in name]
    assert any(bool(weight.any()) for weight in names), "an adapter that begins at nothing has zeros there"
    pooled = pool(trainer.network.body, trainer.tokenizer, [row.text for row in some_examples()])
    best = trainer.network.intent(torch.tensor(pooled)).argmax(dim=1)
    expected = torch.tensor([trainer.intents.index(str(row.intent)) for row in some_examples()])
    assert float((best == expected).float().mean()) > 0.8


def test_sentiments_alone_are_learned_from_the_global_adapter_and_all_else_from_the_start(
    start: Path, encoder: str
) -> None:
    moods = [replace(row, intent=None, sentiment="neutral") for row in some_examples()]
    assert start_for(moods, "lora") == start, "there is no global adapter yet"
    known = write_small_adapter(encoder, ADAPTERS_FOLDER / "global")
    assert "neutral" in Heads.load(known).settings.sentiments
    assert start_for(moods, "lora") == known
    assert start_for([replace(row, sentiment="neutral") for row in some_examples()], "lora") == start
    assert start_for([replace(row, sentiment=None) for row in some_examples()], "lora") == start


def test_another_method_or_encoder_begins_without_the_start(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_start("ia3") is None
    other = Path(small_encoder(tmp_path / "other"))
    monkeypatch.setenv("POLYDESK_ENCODER", str(other))
    assert default_start("lora") == start, "the same encoder in another place is the same encoder"
    (other / "fingerprint.txt").write_text("another encoder", encoding="ascii")
    assert default_start("lora") is None


def test_no_start_at_all_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_start("lora") is None
