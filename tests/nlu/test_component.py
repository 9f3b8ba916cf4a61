"""What the Rasa component adds to what the parser knows. The parser itself is tested apart."""

from __future__ import annotations

import pytest

from nlu.component import says_a_word
from nlu.entities import find_entities


@pytest.mark.parametrize(
    "text",
    ["204511", "#204511.", "anna@example.com", "204511, anna@example.com", "٢٠٤٥١١", "１０１１５", "?", "…", "1", ""],
)
def test_numbers_addresses_and_marks_say_no_word(text: str) -> None:
    assert not says_a_word(text, find_entities(text))


@pytest.mark.parametrize("text", ["ok", "track 204511", "是", "हाँ 204511", "👍", "نعم"])
def test_letters_and_pictures_say_something(text: str) -> None:
    assert says_a_word(text, find_entities(text))
