"""Groups of digits as people type them, and the numbers of banks: IBAN and cards, by checksum. Touches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stdnum import iban, luhn

from training.pii.cues import cue_of
from training.pii.spans import Message, Span

# Digits with at most a few separators between them belong to one run; letters end it.
RUN = re.compile(r"(?<![A-Za-z0-9])(?<![A-Za-z]-)\d+(?:[ .\-/()]{1,3}\d+)*(?![A-Za-z]?\d)")
GROUP = re.compile(r"\d+")
# A longer row of groups is a table or a joke, and would take long to try.
MOST_GROUPS = 24
IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[ -]?\d{2}(?:[ .\-]{0,2}[A-Za-z0-9]){8,30}(?![A-Za-z0-9])")
IBAN_SHORTEST, IBAN_LONGEST = 15, 34
CARD_LENGTHS = range(13, 20)
# First digits and lengths of the card schemes (ISO/IEC 7812): American Express, Diners, JCB, Visa, Mastercard,
# Discover, Maestro, UnionPay, RuPay, Elo and Mir.
CARD = re.compile(
    r"3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11,16}|35\d{14,17}|(?:2131|1800)\d{11}|4\d{12}(?:\d{3}){0,2}"
    r"|5[0-8]\d{11,17}|2[2-7]\d{14}|6\d{12,18}|8[12]\d{14}"
)
CARD_TYPED = re.compile(r"(?<![A-Za-z0-9])\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?![A-Za-z0-9]|[ -]\d)")


@dataclass(frozen=True)
class Number:
    """Some neighbouring groups of a run: where they stand, their digits, and how many each group has.

    `whole` tells that the run has no other groups, `signed` that a plus stands in front of it.
    """

    start: int
    end: int
    digits: str
    sizes: tuple[int, ...]
    whole: bool
    signed: bool


def numbers(message: Message, shortest: int, longest: int) -> Iterator[Number]:
    """Give all neighbouring groups of each run with that many digits, the longest of a run first."""
    for run in RUN.finditer(message.text):
        groups = [(run.start() + group.start(), run.start() + group.end()) for group in GROUP.finditer(run[0])]
        if len(groups) > MOST_GROUPS:
            continue
        yield from sorted(_windows(message.text, groups, shortest, longest), key=lambda one: -len(one.digits))


def find_ibans(message: Message) -> Iterator[Span]:
    """Bank accounts by ISO 13616's checksum, or because somebody says so and it looks like one."""
    for match in IBAN_START.finditer(message.text):
        ends = [place.end() for place in re.finditer(r"[A-Za-z0-9]", match[0])]
        valid = [end for end in ends[IBAN_SHORTEST - 1 : IBAN_LONGEST] if _is_iban(match[0][:end])]
        if valid:
            yield Span(match.start(), match.start() + max(valid), "iban")
        elif cue_of(message.text, match.start(), match.end()) == "iban":
            yield Span(match.start(), match.start() + _said_length(match[0]), "iban")
    for number in numbers(message, 8, 26):
        if number.whole and cue_of(message.text, number.start, number.end) == "iban":
            yield Span(number.start, number.end, "iban")


def find_cards(message: Message) -> Iterator[Span]:
    """Payment cards by scheme, length and Luhn's checksum, or because somebody says so and it is typed as one."""
    for number in numbers(message, CARD_LENGTHS.start, CARD_LENGTHS.stop - 1):
        cue = cue_of(message.text, number.start, number.end)
        if (_is_card(number) and not number.signed and cue not in ("tracking_number", "order_number", "phone")) or (
            number.whole and cue == "card"
        ):
            yield Span(number.start, number.end, "card")
    for match in CARD_TYPED.finditer(message.text):
        if match[0][0] in "3456" and cue_of(message.text, match.start(), match.end()) in (None, "card"):
            yield Span(match.start(), match.end(), "card")


def _windows(text: str, groups: list[tuple[int, int]], shortest: int, longest: int) -> Iterator[Number]:
    for first in range(len(groups)):
        digits = ""
        for last in range(first, len(groups)):
            digits += text[slice(*groups[last])]
            if len(digits) > longest:
                break
            if len(digits) >= shortest:
                sizes = tuple(end - start for start, end in groups[first : last + 1])
                whole = first == 0 and last == len(groups) - 1
                signed = "+" in text[max(0, groups[0][0] - 2) : groups[0][0]]
                yield Number(groups[first][0], groups[last][1], digits, sizes, whole, signed)


def _is_card(number: Number) -> bool:
    grouped = len(number.sizes) == 1 or set(number.sizes[:-1]) == {4} or number.sizes[:2] == (4, 6)
    return grouped and bool(CARD.fullmatch(number.digits)) and bool(luhn.is_valid(number.digits))


def _is_iban(text: str) -> bool:
    # Only the country's length and the checksum: the banks' own check digits are wrong in accounts that exist.
    compact = re.sub(r"[^A-Za-z0-9]", "", text).upper()
    return bool(iban.is_valid(compact, check_country=False))


def _said_length(text: str) -> int:
    """Return where an account with a typing error ends: after the last group that has a digit."""
    groups = list(re.finditer(r"[A-Za-z0-9]+", text))
    return max((group.end() for group in groups if any(c.isdigit() for c in group[0])), default=len(text))
