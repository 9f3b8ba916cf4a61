"""Which language labelled rows are in: a name counts unless the words contradict it; then market and detection."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.dataset import Example, read_examples
from training.row_languages import in_detected_language, in_market_language

EXAMPLES = Path(__file__).parents[2] / "training" / "examples"


def rows_in(language: str, called: str) -> list[Example]:
    """Return messages in one language that are called another's."""
    files = [EXAMPLES / "start"]
    return [
        Example(row.text, row.intent, None, called, "train") for row in read_examples(files) if row.language == language
    ]


@pytest.mark.parametrize("called", ["ml", "my", "to", "it"])
def test_a_name_that_is_a_language_by_chance_is_not_believed_against_the_words(called: str) -> None:
    believed = in_market_language(rows_in("en", called), None)
    assert {row.language for row in believed} == {""}
    assert {row.language for row in in_market_language(rows_in("en", called), "en-US")} == {"en"}


@pytest.mark.parametrize("language", ["de", "tr", "sr"])  # in use, known to the detector, and unknown to it
def test_a_language_is_believed_that_the_words_do_not_contradict(language: str) -> None:
    rows = rows_in(language, language)
    assert in_market_language(rows, None) == rows


def test_what_rows_say_of_themselves_comes_before_market_and_detection() -> None:
    german = Example("wo bleibt meine bestellung", "track_order", None, "de")
    unnamed = Example("where is my parcel", "track_order")
    assert [row.language for row in in_market_language([german, unnamed], "fr-FR")] == ["de", "fr"]
    assert [row.language for row in in_detected_language([german, unnamed])] == ["de", "en"]
    assert [row.language for row in in_detected_language([Example("4711", "give_order_number")])] == [""]
