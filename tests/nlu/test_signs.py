"""What a message says without a word, or with its first."""

from __future__ import annotations

import re
import time

import pytest
import yaml

from nlu.entities import find_entities
from nlu.markets import load_markets
from nlu.signs import WORDS_FILE, agrees, asks, first_word, hesitates, newsletter_wish, says_a_word, thumb

LANGUAGES = load_markets().languages
SIGNS = {"agrees", "hesitates", "unsubscribes", "subscribes"}


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


@pytest.mark.parametrize(("text", "question"), [("late?", True), ("哪个？ ", True), ("ماذا؟", True), ("? no", False)])
def test_a_question_ends_with_the_mark_of_its_script(text: str, question: bool) -> None:
    assert asks(text) is question


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_words_for_each_sign(language: str) -> None:
    words = yaml.safe_load(WORDS_FILE.read_text(encoding="utf-8"))[language]
    assert set(words) == SIGNS
    for entries in words.values():
        assert len(entries) == len(set(entries)) > 5
        for entry in entries:
            assert not re.compile(entry).search(""), entry


@pytest.mark.parametrize("text", ["MAYBE", "Vielleicht…", "Quizás", "PEUT-ÊTRE", "boh", "نعم؟ ربما"])
def test_a_maybe_hesitates_however_it_is_written(text: str) -> None:
    assert hesitates(text)


@pytest.mark.parametrize(
    "text",
    [
        "yes", "Yes, sure.", "mhm", "ja bitte", "sí, claro", "oui vas-y", "sì certo", "com certeza", "हाँ कर दो",
        "haan ji", "نعم", "ايوه", "对", "嗯嗯", "はい", "お願いします",
        "no", "nein danke", "no gracias", "non merci", "no grazie", "não", "नहीं", "nahi", "لا", "不用了", "いいえ",
    ],
)  # fmt: skip
def test_a_plain_yes_or_no_does_not_hesitate(text: str) -> None:
    assert not hesitates(text)


@pytest.mark.parametrize("word", ["yes", "JA", "Sí", "oui", "sì", "sim", "हाँ", "haan", "نعم", "أيوه", "是的", "はい"])
def test_a_yes_agrees(word: str) -> None:
    assert agrees(word)


@pytest.mark.parametrize("word", ["is", "ist", "es", "yesterday", "no", "cancel", "", "是不是", "いいえ"])
def test_no_other_word_agrees(word: str) -> None:
    assert not agrees(word)


def test_wanting_no_more_of_it_goes_before_wanting_it() -> None:
    assert newsletter_wish("I no longer want to subscribe") == "unsubscribe"
    assert newsletter_wish("nunca me suscribí a esto") == "unsubscribe"
    assert newsletter_wish("i don't want to miss a thing, sign me up") == "subscribe"
    assert newsletter_wish("newsletter") is None


def test_the_longest_message_is_read_at_once() -> None:
    newsletter_wish("the words are read")
    begun = time.perf_counter()
    for text in ("no " * 1300, "e" * 4000, "take me " * 500, "可能" * 2000, "....?" * 800):
        hesitates(text)
        newsletter_wish(text)
    assert time.perf_counter() - begun < 1.0
