"""Augmentation: each kind changes what it says and nothing else."""

import random
from collections.abc import Sequence

import pytest

from training.augment import (
    DEFAULT_KINDS,
    Kind,
    augment,
    with_placeholders,
    with_slip,
    with_switched_word,
    without_accents,
    without_punctuation,
)
from training.transliterate import romanised


def forms(text: str, kinds: Sequence[Kind], language: str = "") -> set[str]:
    return {augment(text, random.Random(seed), kinds=kinds, share=1.0, language=language) for seed in range(40)}


def test_about_the_share_of_the_texts_is_changed() -> None:
    chance = random.Random(0)
    changed = sum(augment("WO IST MEIN PAKET", chance, kinds=["casing"], share=0.25).islower() for _ in range(2000))
    assert 400 < changed < 600


def test_without_kinds_nothing_is_changed() -> None:
    assert forms("Où est-il ?", []) == {"Où est-il ?"}


def test_what_is_not_asked_for_is_not_done() -> None:
    text = "mein Paket a@b.de 482133 कब"
    assert all(" a@b.de 482133 " in form or "कब" in form for form in forms(text, DEFAULT_KINDS))
    assert not any("<email>" in form or "kab" in form for form in forms(text, DEFAULT_KINDS))


def test_accents_are_dropped_from_latin_letters_only() -> None:
    assert without_accents("où est-il, señor? कृपया") == "ou est-il, senor? कृपया"


def test_punctuation_goes_at_the_ends_and_stays_within() -> None:
    assert without_punctuation("¿dónde está, por favor?") == "dónde está, por favor"
    assert without_punctuation("???") == "???"


def test_a_slip_is_one_letter_and_leaves_numbers_alone() -> None:
    for seed in range(50):
        slipped = with_slip("wo bleibt 482133 denn", random.Random(seed))
        assert "482133" in slipped
        assert abs(len(slipped) - len("wo bleibt 482133 denn")) <= 1


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("मेरा ऑर्डर कब आएगा?", "mera ordar kab aaega?"),
        ("कैसे करना है", "kaise karna hai"),
        ("ज़रूर", "zarur"),
        ("وين طلبي؟", "wyn talby?"),
        ("رقم ٤٨٢", "raqm 482"),
        ("where is 订单", "where is 订单"),
    ],
)
def test_hindi_and_arabic_are_written_in_latin_letters(text: str, latin: str) -> None:
    assert romanised(text) == latin


def test_a_word_is_switched_for_one_of_another_language() -> None:
    switched = {with_switched_word("Wo ist meine Bestellung?", "de", random.Random(seed)) for seed in range(60)}
    assert {"Wo ist meine order?", "Wo ist meine commande?", "where ist meine Bestellung?"} <= switched
    assert "Wo ist meine Bestellung?" not in switched


def test_a_part_of_a_word_is_not_switched_and_a_word_among_chinese_ones_is() -> None:
    assert with_switched_word("worauf", "de", random.Random(0)) == "worauf"
    assert with_switched_word("我的订单呢", "zh", random.Random(0)) != "我的订单呢"


def test_a_text_without_a_known_word_or_language_stays() -> None:
    assert with_switched_word("hm", "de", random.Random(0)) == "hm"
    assert with_switched_word("order", "", random.Random(0)) == "order"


def test_what_redaction_takes_out_becomes_its_placeholder() -> None:
    text = "Mail an a.b@example.org, Nr. 482133, https://example.org/x?t=1, 2 Stück"
    assert with_placeholders(text) == "Mail an <email>, Nr. <order_number>, <url>, 2 Stück"
