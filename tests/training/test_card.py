"""The model card says what is so of this adapter, and nothing of another encoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlu.adapters import Manifest
from nlu.encoder import DEFAULT_ENCODER, fingerprint
from training.card import write_card

METRICS = {"rows": 30, "accuracy": 90.0, "languages": {"de": {"rows": 30, "accuracy": 90.0}}}


def card(folder: Path, encoder: str) -> str:
    training = {"sources": {"examples": 1200}, "command": "python -m training train --data mine.csv --output mine"}
    manifest = Manifest("mine", encoder, "lora", {}, "2026-05-04T00:00:00+00:00", training=training)
    write_card(folder, manifest, METRICS)
    return (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("encoder", "is_default"), [(fingerprint(str(DEFAULT_ENCODER)), True), ("some/encoder", False), ("0123abcd", False)]
)
def test_only_the_default_encoder_is_called_by_its_name(tmp_path: Path, encoder: str, is_default: bool) -> None:
    text = card(tmp_path, encoder)
    assert f"`{encoder}`" in text
    assert ("multilingual-e5-small" in text) == is_default


def test_data_command_and_figures_are_told(tmp_path: Path) -> None:
    text = card(tmp_path, "some/encoder")
    assert "Apache-2.0: 1,200 rows" in text
    assert "    python -m training train --data mine.csv --output mine\n" in text
    assert "| de | 30 | 90.0 |" in text
