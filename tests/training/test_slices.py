"""Slices find the kinds of messages that an average hides."""

from __future__ import annotations

import pytest

from training.dataset import Example
from training.slices import names_of, script_shares, slices, with_typos, word_count


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("wo ist mein paket", "de", ["length: medium", "script: Latin"]),
        ("danke", "de", ["length: short", "script: Latin"]),
        ("48213", "de", ["length: short", "script: no letters"]),
        ("أين طلبي", "ar", ["length: short", "script: Arabic"]),
        ("mera order kahan hai bhai", "hi", ["length: medium", "script: Latin", "romanised"]),
        ("मेरा order cancel करो", "hi", ["length: medium", "script: Latin", "romanised", "code-mixed"]),
        ("我的包裹在哪里", "zh", ["length: short", "script: Han"]),
        ("我上周买的那件外套到现在还没有发货请问什么时候能够寄出来给我谢谢你们", "zh", ["length: long", "script: Han"]),
    ],
)
def test_a_message_is_in_the_slices_that_it_belongs_to(text: str, language: str, expected: list[str]) -> None:
    assert names_of(Example(text, "x", None, language)) == expected


def test_words_are_counted_in_scripts_that_write_none_apart_too() -> None:
    assert word_count("one two three") == 3
    assert word_count("") == 0
    assert word_count("我要退款") == 2
    assert word_count("退款 48213") == 2


def test_shares_of_scripts_add_up() -> None:
    assert script_shares("abc क") == {"Latin": 0.75, "Devanagari": 0.25}
    assert script_shares("?!") == {}


def test_places_point_to_the_rows_of_a_slice() -> None:
    rows = [Example("danke", "x", None, "de"), Example("wo ist es denn", "x", None, "de")]
    assert slices(rows) == {"length: medium": [1], "length: short": [0], "script: Latin": [0, 1]}


def test_typos_change_the_texts_and_nothing_else_and_are_the_same_each_time() -> None:
    rows = [Example(f"wo bleibt meine bestellung nummer {n}", "track_order", "neutral", "de") for n in range(20)]
    slipped = with_typos(rows)
    assert slipped == with_typos(rows)
    # A slip that swaps two equal letters changes nothing.
    assert sum(new.text != old.text for new, old in zip(slipped, rows, strict=True)) > 15
    assert {(row.intent, row.sentiment, row.language) for row in slipped} == {("track_order", "neutral", "de")}
