"""Telephone numbers as people of each country type them, by the phonenumbers library's tables. Touches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberType

from training.pii.cues import cue_of
from training.pii.numbers import Number, numbers
from training.pii.spans import Message, Span

SHORTEST, LONGEST = 7, 16
# Signs in front of the first digit that belong to the number; a plus makes it an international one.
PREFIX = re.compile(r"(?:(?<![A-Za-z0-9])|(?<=[:.]))[+(]{1,2}[ ]?$|\+ ?\($")
EXTENSION = re.compile(
    r"\s?(?:,\s?)?(?:x|ext\.?|extension|durchwahl|dw\.?|poste|int\.?|interno|ramal|r\.|转|分机)\s?\d{1,6}(?!\w)", re.I
)
NOT_A_PHONE = ("order_number", "tracking_number", "national_id", "card", "iban", "nothing", "address")
# Dialled without the national prefix.
WITHOUT_TRUNK = (
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.UAN,
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.SHARED_COST,
)
SEPARATORS = re.compile(r"[ .\-/()]")


def find_phones(message: Message) -> Iterator[Span]:
    """Give international numbers, numbers of the market's country, and what somebody says is a telephone."""
    for number in numbers(message, SHORTEST, LONGEST):
        start = _with_prefix(message.text, number.start)
        # A date that is only a part of the number is none: 681-04-09-64.
        is_date = any(first <= start and number.end <= last for first, last in message.shielded)
        if is_date or not _is_phone(message, number, start):
            continue
        extension = EXTENSION.match(message.text, number.end)
        yield Span(start, extension.end() if extension else number.end, "phone")


def _with_prefix(text: str, start: int) -> int:
    prefix = PREFIX.search(text[max(0, start - 4) : start])
    return start - (len(prefix[0]) if prefix else 0)


def _is_phone(message: Message, number: Number, start: int) -> bool:
    typed = message.text[start : number.end]
    cue = cue_of(message.text, start, number.end)
    if typed.startswith("+") or typed.startswith("(+"):
        return _is_possible("+" + number.digits, None) or len(number.digits) >= 9
    if cue == "phone":
        return True
    if cue in NOT_A_PHONE:
        return False
    if number.digits.startswith("00") and len(number.digits) >= 11:
        return _is_possible("+" + number.digits[2:], None)
    return _is_national(typed, number, message.region)


def _is_national(typed: str, number: Number, region: str | None) -> bool:
    """Whether somebody in the country would dial it: valid, and with the digits that dialling needs."""
    if region is None:
        return False
    try:
        parsed = phonenumbers.parse(number.digits, region)
    except NumberParseException:
        return False
    formatted = bool(SEPARATORS.search(typed))
    dialled = _has_trunk(number.digits, region) or typed.startswith("(")
    if phonenumbers.is_valid_number_for_region(parsed, region):
        return dialled or phonenumbers.number_type(parsed) in WITHOUT_TRUNK or formatted
    # Numbers that are not given out (yet), typed as numbers are.
    return 9 <= len(number.digits) <= 12 and dialled and number.whole and _is_possible(number.digits, region)


def _has_trunk(digits: str, region: str) -> bool:
    """Whether the national prefix stands in front; true where the country has none."""
    metadata = PhoneMetadata.metadata_for_region(region, None)
    prefix = metadata.national_prefix if metadata else None
    # In North America the 1 may be left out, in Italy the 0 belongs to the number.
    return prefix in (None, "1") or digits.startswith(prefix)


def _is_possible(typed: str, region: str | None) -> bool:
    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(typed, region)))
    except NumberParseException:
        return False
