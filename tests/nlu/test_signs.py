"""What a message says without a word, or with its first."""

from __future__ import annotations

import pytest

from nlu.entities import find_entities
from nlu.signs import first_word, says_a_word, thumb


@pytest.mark.parametrize(
    "text",
    ["204511", "#204511.", "anna@example.com", "204511, anna@example.com", "٢٠٤٥١١", "１０１１５", "?", "…", "1", ""],
)
def test_numbers_addresses_and_marks_say_no_word(text: str) -> None:
    assert not says_a_word(text, find_entities(text))


@pytest.mark.parametrize("text", ["ok", "track 204511", "是", "हाँ 204511", "👍", "نعم"])
def test_letters_and_pictures_say_something(text: str) -> None:
    assert says_a_word(text, find_entities(text))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("👍", True),
        ("👍🏽 👍🏽", True),
        ("✅", True),
        ("👎", False),
        ("❌️", False),
        ("👍👎", None),
        ("ok 👍", None),
        ("", None),
    ],
)
def test_thumbs_say_yes_and_no(text: str, meaning: bool | None) -> None:
    assert thumb(text) is meaning


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("yes cancel it", "yes"),
        ("نعم، الغه", "نعم"),
        ("是的，取消", "是的"),
        ("हाँ रद्द कर दो", "हाँ"),
        ("yes!", None),
        ("", None),
    ],
)
def test_the_first_word_is_the_first_of_several(text: str, word: str | None) -> None:
    assert first_word(text) == word
