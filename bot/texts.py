"""Every text a customer sees, read from `bot/replies/`, with money, dates, numbers and plurals put in by Babel.

Placeholders are typed, `{total:money}`; docs/architecture.md has the form of the files. Used by Rasa's nlg hook, by the
edge and by the demo shop's pages; touches only the reply files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from string import Formatter
from typing import Any

import yaml
from babel import Locale
from babel.dates import format_date
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal

from nlu.markets import WEEKDAYS

REPLIES_FOLDER = Path(__file__).with_name("replies")
FALLBACK_LANGUAGE = "en"
PLURAL_KEY = "plural"

Template = str | Mapping[str, str]


class TextsError(ValueError):
    """A reply file is not usable, or a text is missing; the message names file and text."""


@dataclass(frozen=True)
class LanguageTexts:
    """The texts of one language: `replies` by the dialogue's names, `edge` and `widget` by theirs.

    `canned` are what agents may insert into their replies, by title.
    """

    language: str
    replies: Mapping[str, Template]
    buttons: Mapping[str, str]
    terms: Mapping[str, str]
    edge: Mapping[str, Template]
    widget: Mapping[str, str]
    shop_page: Mapping[str, str]
    canned: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Texts:
    """The texts of all languages."""

    by_language: Mapping[str, LanguageTexts]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that have a reply file."""
        return tuple(self.by_language)

    def of(self, language: str) -> LanguageTexts:
        """Return a language's texts; those of the fallback language where it has none."""
        return self.by_language.get(language) or self.by_language[FALLBACK_LANGUAGE]

    def reply(self, language: str, name: str, values: Mapping[str, Any], *, locale: str | None = None) -> str:
        """Render the dialogue's reply `name`. `locale` (`de-AT`) refines how numbers and dates are written."""
        texts = self.of(language)
        return _render(texts, texts.replies, name, values, locale)

    def edge(self, language: str, name: str, **values: Any) -> str:
        """Render a text that the edge itself says."""
        texts = self.of(language)
        return _render(texts, texts.edge, name, values, None)

    def button(self, language: str, title: str) -> str:
        """Return a button's title; a title that is no key (an order's number) stays as it is."""
        return self.of(language).buttons.get(title, title)

    def widget(self, language: str) -> dict[str, str]:
        """Return the widget's own labels."""
        return dict(self.of(language).widget)

    def shop_page(self, language: str) -> dict[str, str]:
        """Return the texts of the demo shop's page."""
        return dict(self.of(language).shop_page)


class BabelFormatter(Formatter):
    """`str.format` whose format specifications are `money`, `date`, `weekday`, `number`, `range` and `term`."""

    def __init__(self, locale: Locale, terms: Mapping[str, str]) -> None:
        self.locale = locale
        self.terms = terms

    def format_field(self, value: Any, format_spec: str) -> str:
        """Format one placeholder; raises `TextsError` for a specification it does not know."""
        if format_spec == "money":
            return str(format_currency(Decimal(str(value["amount"])), value["currency"], locale=self.locale))
        if format_spec == "date":
            return str(format_date(date.fromisoformat(str(value)[:10]), format="long", locale=self.locale))
        if format_spec == "weekday":
            return weekday_name(value, self.locale)
        if format_spec == "number":
            return str(format_decimal(Decimal(str(value)), locale=self.locale))
        if format_spec == "range":
            low, high = value
            return str(high) if low == high else self.terms["range"].format(low=low, high=high)
        if format_spec == "term":
            return self._terms(value)
        if format_spec:
            kinds = "money, date, weekday, number, range and term"
            raise TextsError(f"Unknown placeholder type {format_spec!r}; there are {kinds}.")
        return str(value)

    def _terms(self, value: Any) -> str:
        keys = value if isinstance(value, list | tuple) else [value]
        return str(format_list([self.terms.get(str(key), str(key)) for key in keys], locale=self.locale))


def weekday_name(day: str, locale: Locale) -> str:
    """Return the name of a day of the week as it stands within a sentence; `day` is one of `nlu.markets.WEEKDAYS`."""
    return str(locale.days["format"]["wide"][WEEKDAYS.index(day)])


def load_texts(folder: Path = REPLIES_FOLDER) -> Texts:
    """Read all reply files; raises `TextsError` for one that is no mapping of the known sections."""
    files = sorted(folder.glob("*.yml"))
    if not files:
        raise TextsError(f"{folder} has no reply files.")
    return Texts({file.stem: _read(file) for file in files})


def _read(file: Path) -> LanguageTexts:
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        content.setdefault("shop_page", {})
        return LanguageTexts(**content)
    except (yaml.YAMLError, TypeError, AttributeError) as error:
        raise TextsError(f"{file}: {error}") from error


def _render(
    texts: LanguageTexts, section: Mapping[str, Template], name: str, values: Mapping[str, Any], locale: str | None
) -> str:
    if name not in section:
        raise TextsError(f"bot/replies/{texts.language}.yml has no text {name!r}.")
    babel_locale = Locale.parse(locale or texts.language, sep="-")
    template = section[name]
    if not isinstance(template, str):
        count = values[template[PLURAL_KEY]]
        template = template.get(babel_locale.plural_form(count)) or template["other"]
    return BabelFormatter(babel_locale, texts.terms).vformat(template, (), values)
