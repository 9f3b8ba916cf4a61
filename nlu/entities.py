"""Finds order numbers, e-mails, postcodes, amounts and dates in a message of any script. Knows no language but digits.

Digits of every script are read (full-width, Arabic-Indic, Devanagari); offsets count code points of the text as given.
Dates are read only where digits spell them out; words such as "tomorrow" are left to the dialogue.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

CURRENCIES = {
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "$": "USD", "usd": "USD", "us$": "USD", "dollar": "USD",
    "dollars": "USD", "r$": "BRL", "brl": "BRL", "reais": "BRL", "reals": "BRL", "₹": "INR", "inr": "INR", "rs": "INR",
    "rs.": "INR", "rupees": "INR", "rupaye": "INR", "रुपये": "INR", "रु": "INR",
    "sar": "SAR", "ريال": "SAR", "riyal": "SAR", "jpy": "JPY", "円": "JPY", "yen": "JPY",
    "¥": "CNY", "￥": "CNY", "cny": "CNY", "rmb": "CNY", "元": "CNY", "块": "CNY",
}  # fmt: skip
_CURRENCY = "|".join(re.escape(word) for word in sorted(CURRENCIES, key=len, reverse=True))
_NUMBER = r"\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
# Word boundaries by Latin letters and digits only: Chinese and Japanese write numbers without spaces around them.
_LATIN = r"A-Za-z0-9À-ɏ_"
EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
AMOUNT_AFTER_SIGN = re.compile(rf"(?<![{_LATIN}])(?P<sign>{_CURRENCY})\s?(?P<number>{_NUMBER})(?!\d)", re.IGNORECASE)
AMOUNT_BEFORE_SIGN = re.compile(
    rf"(?<![{_LATIN}.,])(?P<number>{_NUMBER})\s?(?P<sign>{_CURRENCY})(?![{_LATIN}])", re.IGNORECASE
)
ISO_DATE = re.compile(r"(?<!\d)(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?!\d)")
LOCAL_DATE = re.compile(r"(?<![\d.])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?!\d)")
POSTCODE = re.compile(
    rf"(?<![{_LATIN}-])(?:\d{{5}}-\d{{3,4}}|\d{{3}}-\d{{4}}|\d{{3}} ?\d{{3}}|\d{{5}}"
    r"|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})"
    rf"(?![{_LATIN}-])",
    re.IGNORECASE,
)
ORDER_NUMBER = re.compile(rf"(?<![{_LATIN}@.+])([A-Z]{{1,4}}-?\d{{4,15}}|\d{{5,15}})(?![{_LATIN}@]|-\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Entity:
    """A typed span: `start` and `end` count code points of the message, end exclusive; `value` is normalised."""

    entity: str
    value: str
    start: int
    end: int


def find_entities(text: str) -> list[Entity]:
    """Return the entities of a message in the order in which they stand. Spans of different kinds do not overlap.

    A five- or six-digit number may be an order's or a postcode; it is given as both, the dialogue knows what it asked.
    """
    plain = _with_ascii_digits(text)
    found: list[Entity] = []
    for finder in (_emails, _dates, _amounts):
        found += [entity for entity in finder(plain) if not _overlaps(entity, found)]
    numbers = [entity for entity in _order_numbers(plain) if not _overlaps(entity, found)]
    postcodes = [entity for entity in _postcodes(plain) if not _overlaps(entity, found)]
    return sorted(found + numbers + postcodes, key=lambda entity: (entity.start, entity.entity))


def _with_ascii_digits(text: str) -> str:
    """Replace each decimal digit and full-width sign by its ASCII form, one for one, so that offsets stay true."""
    return "".join(_ascii_form(character) for character in text)


def _ascii_form(character: str) -> str:
    if character.isascii():
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    return " " if character == "\u3000" else character


def _emails(text: str) -> Iterator[Entity]:
    for match in EMAIL.finditer(text):
        value = match[0].rstrip(".")
        yield Entity("email", value.lower(), match.start(), match.start() + len(value))


def _dates(text: str) -> Iterator[Entity]:
    for match in ISO_DATE.finditer(text):
        yield from _date(match, int(match[1]), int(match[2]), int(match[3]))
    for match in LOCAL_DATE.finditer(text):
        year = int(match[4]) + (2000 if len(match[4]) == 2 else 0)
        first, second = int(match[1]), int(match[3])
        # Only a day above twelve in second place proves the American order; day first is what most markets write.
        month_first = second > 12 >= first
        yield from _date(match, year, first if month_first else second, second if month_first else first)


def _date(match: re.Match[str], year: int, month: int, day: int) -> Iterator[Entity]:
    try:
        value = date(year, month, day).isoformat()
    except ValueError:
        return
    yield Entity("date", value, match.start(), match.end())


def _amounts(text: str) -> Iterator[Entity]:
    """A sign in front wins: in "order 204511 R$ 89" the number before the sign is the order's."""
    taken: set[int] = set()
    for pattern in (AMOUNT_AFTER_SIGN, AMOUNT_BEFORE_SIGN):
        for match in pattern.finditer(text):
            amount = _decimal(match["number"])
            span = set(range(match.start(), match.end()))
            if amount is not None and not span & taken:
                taken |= span
                yield Entity("amount", f"{amount} {CURRENCIES[match['sign'].lower()]}", match.start(), match.end())


def _decimal(number: str) -> Decimal | None:
    """Read `1.299,00`, `1,299.00`, `1299.5`: the last sign before one or two digits is the decimal one."""
    parts = re.fullmatch(r"(.*?)(?:[.,](\d{1,2}))?", number)
    if parts is None:
        return None
    try:
        return Decimal(re.sub(r"\D", "", parts[1]) + "." + (parts[2] or "0")).quantize(Decimal("0.01"))
    except InvalidOperation:
        return None


def _order_numbers(text: str) -> Iterator[Entity]:
    for match in ORDER_NUMBER.finditer(text):
        yield Entity("order_number", match[1].upper(), match.start(1), match.end(1))


def _postcodes(text: str) -> Iterator[Entity]:
    for match in POSTCODE.finditer(text):
        yield Entity("postcode", re.sub(r"\s", "", match[0].upper()), match.start(), match.end())


def _overlaps(entity: Entity, others: list[Entity]) -> bool:
    return any(entity.start < other.end and other.start < entity.end for other in others)
