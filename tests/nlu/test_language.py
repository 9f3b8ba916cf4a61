"""The language of a message: the design's sentences under "Routing", and the goals on our own short messages."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlu.language import UNDETERMINED, LanguageDetector
from nlu.markets import load_markets

MESSAGES = Path("tests/benchmarks/short_messages.csv")
FLOORS = {"single": 0.85, "short": 0.97, "sentence": 0.98, "und": 0.85, "request": 0.9}
"""A little under what was measured on the part `test`; the goals and the figures are in docs/language-detection.md."""


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector(load_markets().languages)


@pytest.mark.parametrize(
    "text",
    [
        *("PD-100234", "#1042", "98765432", "42", "XL", "39,90 €", "+49 170 1234567", "2024-11-23", "10115"),
        *(
            "https://example.com/a/b",
            "www.zalando.de",
            "anna@example.com",
            "iPhone",
            "Nike",
            "DHL",
            "PayPal",
            "iPhone 4",
        ),
        *("ok", "OK!", "👍", "😡😡😡", "?!", "...", "", "   ", "\x00"),
        *("Maria", "Thomas", "Berlin", "Madrid", "New York", "São Paulo", "Maria Schmidt"),
        *("no", "total", "normal", "menu", "hotel", "error", "login"),
    ],
)
def test_what_belongs_to_no_language_is_undetermined(detector: LanguageDetector, text: str) -> None:
    found = detector.detect(text)
    assert (found.code, found.confidence) == (UNDETERMINED, 0.0)


@pytest.mark.parametrize("payload", ["/affirm", "/deny", '/inform{"order": "PD-1"}', "/wo ist mein Paket"])
def test_a_buttons_payload_has_no_language(detector: LanguageDetector, payload: str) -> None:
    assert detector.detect(payload).code == UNDETERMINED


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Bestellung", "de"),
        ("danke", "de"),
        ("rimborso", "it"),
        ("aiuto", "it"),
        ("devolución", "es"),
        ("devolucion", "es"),
        ("hola", "es"),
        ("obrigado", "pt"),
        ("merci", "fr"),
        ("livraison", "fr"),
        ("refund", "en"),
        ("kahan", "hi"),
        ("shukran", "ar"),
        ("धन्यवाद", "hi"),
        ("شكرا", "ar"),
        ("谢谢", "zh"),
        ("ありがとう", "ja"),
    ],
)
def test_one_word_that_only_one_language_has_is_enough(detector: LanguageDetector, text: str, language: str) -> None:
    assert detector.detect(text).code == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("mera order kab aayega", "hi"),
        ("wen talabi", "ar"),
        ("mujhe refund chahiye", "hi"),
        ("quiero un refund", "es"),
        ("ich will ein refund", "de"),
        ("मुझे wireless mouse return करना है", "hi"),
    ],
)
def test_mixed_text_has_the_language_of_its_grammar(detector: LanguageDetector, text: str, language: str) -> None:
    assert detector.detect(text).code == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("nota fiscal", "pt"),
        ("que horas abre", "pt"),
        ("a ver", "es"),
        ("nos vemos", "es"),
        ("quanto costa", "it"),
        ("non merci", "fr"),
    ],
)
def test_two_words_in_a_row_tell_near_languages_apart(detector: LanguageDetector, text: str, language: str) -> None:
    assert detector.detect(text).code == language


@pytest.mark.parametrize(("text", "language"), [("no mas correos", "es"), ("password bhul gaya", "hi")])
def test_a_name_in_small_letters_among_words_may_be_a_word(
    detector: LanguageDetector, text: str, language: str
) -> None:
    assert detector.detect(text).code == language


@pytest.mark.parametrize(
    ("text", "language"), [("helloooo", "en"), ("merciii", "fr"), ("graziee", "it"), ("dankeee", "de")]
)
def test_stretched_letters_change_nothing(detector: LanguageDetector, text: str, language: str) -> None:
    assert detector.detect(text).code == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("返品希望", "ja"),
        ("商品未着", "ja"),
        ("営業時間", "ja"),
        ("退货地址", "zh"),
        ("請問運費多少", "zh"),
        ("萬分感謝", "zh"),
    ],
)
def test_han_alone_is_japanese_only_if_its_words_are(detector: LanguageDetector, text: str, language: str) -> None:
    assert detector.detect(text).code == language


def test_a_digit_inside_a_word_is_an_arabic_letter(detector: LanguageDetector) -> None:
    assert {detector.detect(word).code for word in ("fo9tan", "ma5boot")} == {"ar"}
    assert detector.detect("order 2nd size").code == "en"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Can we speak English?", "en"),
        ("können wir Englisch sprechen?", "en"),
        ("en español por favor", "es"),
        ("可以说英语吗", "en"),
        ("hablas inglés?", "en"),
        ("auf Deutsch bitte", "de"),
        ("do you speak French?", "fr"),
        ("hindi mein baat karo", "hi"),
        ("هل تتكلم العربية؟", "ar"),
        ("英語で話せますか", "en"),
    ],
)
def test_asking_for_a_language_switches_to_it(detector: LanguageDetector, text: str, language: str) -> None:
    assert detector.detect(text, conversation="it", market="it").code == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("ich spreche kein Englisch", "de"),
        ("I don't speak German", "en"),
        ("haben Sie das Buch auch in englischer Ausgabe", "de"),
        ("my parcel is stuck in the English warehouse near the Spanish border since Monday", "en"),
    ],
)
def test_a_language_that_is_only_mentioned_is_not_asked_for(
    detector: LanguageDetector, text: str, language: str
) -> None:
    assert detector.detect(text).code == language


def test_a_prior_settles_a_shared_word(detector: LanguageDetector) -> None:
    assert detector.detect("normal").code == UNDETERMINED
    assert {detector.detect("normal", market=market).code for market in ("de", "es", "pt")} <= {"de", "es", "pt"}
    assert detector.detect("no", conversation="es").code == "es"
    assert detector.detect("gratis", conversation="de").code == "de"


@pytest.mark.parametrize(("text", "language"), [("hi", "en"), ("bye", "en"), ("jo", "de"), ("stop", "de")])
def test_one_word_that_the_markets_language_has_is_no_change_of_language(
    detector: LanguageDetector, text: str, language: str
) -> None:
    assert detector.detect(text, market=language).code in (language, UNDETERMINED)
    assert detector.detect(text, market=language, conversation=language).code == language


@pytest.mark.parametrize("text", ["hi there", "bye bye"])
def test_a_greeting_that_hindi_or_arabic_have_as_well_is_english(detector: LanguageDetector, text: str) -> None:
    assert detector.detect(text).code == "en"


@pytest.mark.parametrize(("text", "language"), [("merci", "fr"), ("danke", "de"), ("gracias", "es"), ("shukran", "ar")])
def test_one_word_of_another_language_alone_is_that_languages(
    detector: LanguageDetector, text: str, language: str
) -> None:
    assert detector.detect(text, market="en").code == language


def test_a_prior_makes_no_word_of_a_name(detector: LanguageDetector) -> None:
    assert detector.detect("Berlin", conversation="de", hint="de", market="de").code == UNDETERMINED


def test_a_sentence_wins_over_all_priors(detector: LanguageDetector) -> None:
    found = detector.detect("où est mon colis s'il vous plaît", conversation="de", hint="de", market="de")
    assert found.code == "fr"
    assert detector.detect("quiero devolver los zapatos", conversation="pt", hint="pt", market="pt").code == "es"


def test_a_prior_that_is_not_in_use_is_ignored(detector: LanguageDetector) -> None:
    assert detector.detect("hello there", conversation="xx", hint="tlh", market="").code == "en"


def test_only_languages_in_use_are_found() -> None:
    shop = LanguageDetector(["en", "fr", "nl"])
    assert shop.detect("waar blijft mijn bestelling").code == "nl"
    assert shop.detect("où est ma commande").code == "fr"
    foreign = ["wo ist mein Paket denn geblieben", "मेरा ऑर्डर कहाँ है", "我的包裹呢", "где мой заказ", "طلبي"]
    assert {shop.detect(text).code for text in foreign} <= {"en", "fr", "nl", UNDETERMINED}
    assert {shop.detect(text).code for text in foreign[1:]} == {UNDETERMINED}


def test_a_language_that_the_model_lacks_is_found_by_langdetect() -> None:
    shop = LanguageDetector(["en", "fi", "ru", "uk"])
    assert shop.detect("missä minun tilaukseni viipyy").code == "fi"
    assert shop.detect("где мой заказ").code == "ru"
    assert shop.detect("where is my order").code == "en"


@pytest.mark.parametrize("languages", [["en"], ["zh"], ["hi"], []])
def test_one_language_or_none_in_use_raises_nothing(languages: list[str]) -> None:
    shop = LanguageDetector(languages)
    for text in ("where is my order", "我的包裹呢", "मेरा ऑर्डर", "12", "ok"):
        assert shop.detect(text).code in {*languages, UNDETERMINED}


def test_the_same_text_gives_the_same_answer_a_thousand_times(detector: LanguageDetector) -> None:
    texts = ["no sé", "non merci", "tracking bitte", "super gratis", "fein el order", "cancelar pedido", "me to", "ok"]
    other = LanguageDetector(load_markets().languages)
    expected = [other.detect(text) for text in texts]
    for _ in range(125):
        assert [detector.detect(text) for text in texts] == expected


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "wo ist mein Paket? " * 6_000, "😀" * 5_000, "\x00" * 100, "\ud800", "é" * 9_999, "́" * 50]
)
def test_no_text_raises(detector: LanguageDetector, text: str) -> None:
    assert 0.0 <= detector.detect(text).confidence <= 1.0


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_gets_a_language_in_use_or_none(text: str) -> None:
    found = _held_to_two().detect(text)
    assert found.code in {"de", "ar", UNDETERMINED}
    assert (found.confidence == 0.0) == (found.code == UNDETERMINED)


def test_detecting_imports_neither_torch_nor_tensorflow() -> None:
    code = (
        "import sys; from nlu.language import LanguageDetector; LanguageDetector(['en', 'de']).detect('wo ist es');"
        "sys.exit(bool({'torch', 'tensorflow', 'transformers'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kind", FLOORS)
def test_the_goals_hold_on_messages_never_tuned_on(detector: LanguageDetector, kind: str) -> None:
    with MESSAGES.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test" and row["kind"] == kind]
    right = Counter(detector.detect(row["text"]).code == row["language"] for row in rows)
    assert right[True] / right.total() >= FLOORS[kind]


@cache
def _held_to_two() -> LanguageDetector:
    return LanguageDetector(["de", "ar"])
