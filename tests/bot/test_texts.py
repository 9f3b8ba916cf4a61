"""The reply files: each language has every text with its placeholders and plural forms, and says them its own way."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import yaml
from babel import Locale
from babel.numbers import format_currency

from bot.texts import PLURAL_KEY, REPLIES_FOLDER, TextsError, load_texts
from nlu.markets import load_markets

LANGUAGES = load_markets().languages
SECTIONS = ("buttons", "terms", "replies", "edge", "canned", "widget", "shop_page")
SENTENCES = ("replies", "edge", "canned")
TEXTS = load_texts()


@cache
def content(language: str) -> dict[str, Any]:
    return dict(yaml.safe_load((REPLIES_FOLDER / f"{language}.yml").read_text(encoding="utf-8")))


def section(language: str, name: str) -> dict[str, Any]:
    return dict(content(language)[name])


def placeholders(template: str | dict[str, str]) -> set[tuple[str, str]]:
    """Return names and types of a text's placeholders; of its last plural form if it has several."""
    text = template if isinstance(template, str) else template["other"]
    return {(name, kind or "") for _, name, kind, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_lacks_a_text_or_a_placeholder(language: str, name: str) -> None:
    english = {key: placeholders(text) for key, text in section("en", name).items()}
    assert {key: placeholders(text) for key, text in section(language, name).items()} == english


@pytest.mark.parametrize("language", LANGUAGES)
def test_plural_texts_have_the_forms_of_their_language(language: str) -> None:
    forms = set(Locale.parse(language).plural_form.tags) | {"other", PLURAL_KEY}
    for name, text in section(language, "replies").items():
        if not isinstance(text, str):
            assert set(text) == forms, name


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_no_english_sentence_is_left_in_another_language(language: str) -> None:
    same = [
        f"{name}.{key}"
        for name in SENTENCES
        for key, text in section("en", name).items()
        if section(language, name)[key] == text
    ]
    assert same == []


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Order 204511 from November 20, 2026 ($1,299.00): on its way."),
        ("de", "Bestellung 204511 vom 20. November 2026 (1.299,00\N{NO-BREAK SPACE}$): unterwegs."),
        ("ja", "ご注文 204511（2026年11月20日、$1,299.00）：配送中。"),
    ],
)
def test_money_dates_and_terms_are_written_as_the_language_writes_them(language: str, text: str) -> None:
    values = {
        "order": "204511",
        "placed_on": "2026-11-20",
        "total": {"amount": "1299.00", "currency": "USD"},
        "status": "order_shipped",
    }
    assert TEXTS.reply(language, "utter_order_status", values) == text


@pytest.mark.parametrize(
    ("language", "days"),
    [
        ("en", "Sunday to Thursday"),
        ("de", "Sonntag bis Donnerstag"),
        ("es", "de domingo a jueves"),
        ("fr", "du dimanche au jeudi"),
        ("it", "da domenica a giovedì"),
        ("pt", "de domingo a quinta-feira"),
        ("hi", "रविवार से गुरुवार"),
        ("ar", "من الأحد إلى الخميس"),
        ("zh", "星期日至星期四"),
        ("ja", "日曜日～木曜日"),
    ],
)
def test_the_days_are_those_of_the_market_in_the_customers_language(language: str, days: str) -> None:
    hours = {"opens": "09:00", "closes": "18:00", "first_day": "sun", "last_day": "thu"}
    contact = TEXTS.reply(language, "utter_contact", {"phone": "1", "email": "a@example.com", **hours})
    assert days in contact
    assert days.replace("～", "から") in TEXTS.edge(language, "handoff_out_of_hours", **hours)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_delivery_costs_and_from_when_it_is_free_is_told_in_every_language(language: str) -> None:
    for days in (1, 2, 3, 11):
        values = {"way": "delivery_express", "price": {"amount": "7.00", "currency": "EUR"}}
        told = TEXTS.reply(language, "utter_delivery_option", {**values, "days": [1, days], "days_max": days})
        assert format_currency(7, "EUR", locale=language) in told
    told = TEXTS.reply(language, "utter_delivery_free", {"free_from": {"amount": "60.00", "currency": "EUR"}})
    assert format_currency(60, "EUR", locale=language) in told


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_range_of_one_number_is_told_as_one(language: str) -> None:
    one, two = (
        TEXTS.reply(language, "utter_delivery_period", {"way": "delivery_express", "days": days, "days_max": days[1]})
        for days in ([1, 1], [1, 2])
    )
    assert one.count("1") == 1
    assert two.index("1") < two.index("2")


def test_the_number_decides_the_plural_form() -> None:
    one, three, eleven = (TEXTS.reply("ar", "utter_return_window", {"return_days": days}) for days in (1, 3, 11))
    assert "يوم واحد" in one
    assert "أيام" in three
    assert "يومًا" in eleven


@pytest.mark.parametrize(
    ("language", "listed"), [("en", "PayPal, UPI, and Pix"), ("de", "PayPal, UPI und Pix"), ("ja", "PayPal、UPI、Pix")]
)
def test_several_terms_are_listed_as_the_language_lists_them(language: str, listed: str) -> None:
    methods = {"methods": ["method_paypal", "method_upi", "method_pix"]}
    assert listed in TEXTS.reply(language, "utter_payment_methods", methods)


def test_a_missing_text_is_named_with_its_file() -> None:
    with pytest.raises(TextsError, match=r"bot/replies/de\.yml has no text 'utter_nothing'"):
        TEXTS.reply("de", "utter_nothing", {})


def test_a_file_with_an_unknown_section_is_named(tmp_path: Path) -> None:
    (tmp_path / "en.yml").write_text("language: en\nanswers: {}\n")
    with pytest.raises(TextsError, match=r"en\.yml"):
        load_texts(tmp_path)
