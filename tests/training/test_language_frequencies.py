"""What the language model's tables count in the examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.language_frequencies import pair_frequencies

HEAD = 'version: "3.1"\nnlu:\n- intent: x\n  examples: |\n'


@pytest.fixture(autouse=True)
def _examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYDESK_DATA", str(tmp_path))
    (tmp_path / "training/examples").mkdir(parents=True)
    for language, row in {"pt": "não só isso, só order number", "es": "eso sí", "en": "order number"}.items():
        Path(f"training/examples/{language}.yml").write_text(f"{HEAD}    - {row}\n", encoding="utf-8")


def test_pairs_are_counted_without_accents_in_their_language() -> None:
    assert pair_frequencies({"nao", "so"}) == {"nao so": {"pt": 1 / 6}}


def test_a_pair_with_a_word_that_one_language_alone_has_is_left_out() -> None:
    assert pair_frequencies({"eso"}) == {}


def test_a_pair_that_english_has_most_is_left_out() -> None:
    assert pair_frequencies({"order", "number"}) == {}
