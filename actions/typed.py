"""What customers type where a number, a postcode or an address is asked for, in any script. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher

EMAIL = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;.]+")
NUMBER_OF_ORDER = re.compile(r"#?\b[A-Za-z]{0,3}-?\d{4,12}\b")
LONGEST_POSTCODE = 10
LONGEST_LINE = 120
MISTYPED = 0.6  # of what two numbers share
EAST_ASIAN_COMMAS = "，、"
COMMA = re.compile(f"[,،{EAST_ASIAN_COMMAS}]")
AROUND_A_LINE = f" ,;،؛；{EAST_ASIAN_COMMAS}"


@dataclass(frozen=True)
class AddressParts:
    """The parts of an address that a message names."""

    street: str | None = None
    postcode: str | None = None
    city: str | None = None


def plain(text: str) -> str:
    """Return the text with every script's digits as ASCII and full-width letters as plain ones, without outer space."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.digit(char)) if char.isdigit() else char for char in folded).strip()


def email(text: str) -> str | None:
    """Return the first e-mail address in the text."""
    found = EMAIL.search(plain(text))
    return found.group() if found else None


def order_number(text: str) -> str | None:
    """Return the first thing in the text that looks like an order number; digits inside an e-mail do not count."""
    found = NUMBER_OF_ORDER.search(EMAIL.sub(" ", plain(text)))
    return found.group().lstrip("#") if found else None


def resemble(one: str, other: str) -> bool:
    """Tell whether one number is the other mistyped: as long, and mostly the same."""
    return len(one) == len(other) and SequenceMatcher(None, one, other).ratio() >= MISTYPED


def postcode(text: str) -> str | None:
    """Return the text if it can be nothing but a postcode: short, with a digit."""
    typed = plain(text)
    return typed if len(typed) <= LONGEST_POSTCODE and any(char.isdigit() for char in typed) else None


def small_number(text: str) -> int | None:
    """Return the only number of one or two digits in the text."""
    numbers = re.findall(r"(?<!\d)\d{1,2}(?!\d)", plain(text))
    return int(numbers[0]) if len(numbers) == 1 else None


def line(text: str) -> str | None:
    """Return the text as one line of an address; None if it is empty, too long to be one, or has an e-mail in it."""
    typed = " ".join(text.split()).strip(AROUND_A_LINE)
    if EMAIL.search(typed) or len(typed) > LONGEST_LINE:
        return None
    return typed if any(char.isalnum() for char in typed) else None


def address(text: str, code: str | None) -> AddressParts:
    """Split an address at its postcode `code`: the street stands before it, the city after it.

    Where nothing stands on one side of the postcode, a comma parts the other (`12 Main St, Springfield, IL 62704`);
    without a comma it is the street.
    """
    if not code or code not in text:
        return AddressParts(street=line(text))
    before, _, after = (line(part) or "" for part in text.rpartition(code))
    if before and after:
        return AddressParts(before, code, after)
    street, city = _halves(before or after)
    return AddressParts(line(street), code, line(city))


def _halves(text: str) -> tuple[str, str]:
    """Return street and city, parted by the first comma; East Asian addresses go from large to small."""
    comma = COMMA.search(text)
    if comma is None:
        return text, ""
    first, second = text[: comma.start()], text[comma.end() :]
    return (second, first) if comma.group() in EAST_ASIAN_COMMAS else (first, second)
