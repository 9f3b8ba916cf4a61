"""What counts as the same message where case and punctuation fall: marks and signs that say something stay."""

from __future__ import annotations

import pytest

from training.duplicates import plain_letters, without_near_duplicates


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("हाँ", "है"),
        ("जी", "जा"),
        ("สั่ง", "สิ่ง"),
        ("நீ", "நா"),
    ],
)
def test_messages_that_only_vowel_signs_tell_apart_are_kept(first: str, second: str) -> None:
    assert without_near_duplicates([first, second], str) == [first, second]


def test_messages_without_letters_are_kept_once_each() -> None:
    assert without_near_duplicates(["👍", "👎", "😡", "👍", "???", "👎"], str) == ["👍", "👎", "😡", "???"]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Où est-il ?", "où est il"),
        ("क्या हाल है।", "क्या हाल है"),
        ("พัสดุอยู่ไหน?", "พัสดุอยู่ไหน"),
        ("أينَ طلبي؟", "أينَ طلبي"),
        ("Where is it ☺️", "where is it"),
        ("👍🏽 ?!", ""),
    ],
)
def test_words_keep_their_marks_and_lose_signs(text: str, plain: str) -> None:
    assert plain_letters(text) == plain
