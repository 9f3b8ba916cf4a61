"""Order numbers and carriers' tracking numbers: by form, or by the words beside them. Touches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlu.entities import ORDER_NUMBER
from training.pii.cues import cue_of
from training.pii.numbers import numbers
from training.pii.spans import Message, Span

EDGE_BEFORE, EDGE_AFTER = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
# UPS; the postal unions' S10 (Correios, EMS, La Poste, Royal Mail, Speed Post); DHL; Amazon; Hermes; Colissimo;
# Correos; SF, YTO, STO, JD, J&T, Cainiao, ZTO, Yunda; Ekart; Asendia; Poste Italiane.
CARRIERS = re.compile(
    EDGE_BEFORE
    + 
        r"(?:1Z(?: ?[0-9A-Z]){16}|[A-Z]{2} ?\d{3} ?\d{3} ?\d{3} ?[A-Z]{2}|[A-Z]{2} ?\d{8} ?\d ?[A-Z]{2}"
        r"|[A-Z]{2}(?: ?\d{2}){4} ?\d ?[A-Z]{2}"
    
        r"|JJD ?\d(?: ?\d){9,19}|JVGL ?\d{8,24}|GM ?\d{14,20}|3S[A-Z0-9]{10,16}|TBA ?\d{12}|H\d{19}"
        r"|[0-9][A-Z] ?\d{5} ?\d{5} ?\d"
    
        r"|P[A-Z0-9]{5}\d{12,17}[A-Z]|SF ?\d{4} ?\d{4} ?\d{4,5}|SF ?\d{12,15}|(?:YT|JT|JD[A-Z]{0,2}|STO|ZTO"
        r"|DPK|YD|LP|HTKY|UC|CN[A-Z]?)\d{11,16}"
    r"|JDVA\d{10,14}|JDVC\d{10,14}|FMP[PC]\d{10}|[0-9]UW[0-9A-Z]{10}|[A-Z]{5}\d{9,12})"
    + EDGE_AFTER,
    re.IGNORECASE,
)  # fmt: skip
# USPS, DHL Germany, DPD, FedEx Ground: long numbers that are neither a card's nor an account's.
CARRIERS_DIGITS = re.compile(r"9[1-5]\d{18,24}|420\d{25,31}|003404\d{14}")
# DPD's, in one piece, so that no telephone is meant.
DPD = re.compile(r"0[1-9]\d{12}")
LONG_DIGITS = re.compile(r"\d{16,34}")
TYPED = re.compile(EDGE_BEFORE + r"(?:\d{3}-\d{7}-\d{7}|[A-Z]{2,4}-\d{2,4}-\d{3,8})" + EDGE_AFTER)
# With a word beside it: letters and digits in up to four pieces, at least three digits.
NAMED = re.compile(
    EDGE_BEFORE + r"(?=(?:[A-Za-z\-/]{0,6}\d){3})[A-Za-z0-9]{1,30}(?:[-/_][A-Za-z0-9]{1,20}){0,3}" + EDGE_AFTER
)
NAMED_TRACKING = re.compile(
    EDGE_BEFORE
    + r"(?:[A-Z]{1,5}[ -]?)?\d[A-Za-z0-9]{0,29}(?:[ -]{1,2}[A-Z]{0,3}\d[A-Za-z0-9]{0,19}){0,8}(?: [A-Z]{2})?"
    + EDGE_AFTER
)
TRACKING_DIGITS = 6
HASH = re.compile(r"(?<![\w&])#\s?([A-Za-z]{0,4}-?\d[A-Za-z0-9-]{2,19})(?![\w-])")
MEASURE = re.compile(
    r"\s?(?:mah|mm|cm|km|ml|kg|mg|kw|kwh|watt|w|v|hz|rpm|btu|lm|lumens?|pcs|px|dpi|gb|mb|tb|stück|x\d|%"
    r"|°|件|个|米|克|毫安|人|次|天|年)(?![A-Za-z])",
    re.IGNORECASE,
)
YEAR = re.compile(r"(?:19|20)\d{2}")


def find_tracking_numbers(message: Message) -> Iterator[Span]:
    """Give what has a carrier's form, very long numbers, and what somebody says is a tracking number."""
    for match in CARRIERS.finditer(message.text):
        if cue_of(message.text, match.start(), match.end()) not in ("order_number", "nothing", "national_id"):
            yield Span(match.start(), match.end(), "tracking_number")
    for number in numbers(message, 14, 34):
        if not number.whole or cue_of(message.text, number.start, number.end) == "phone":
            continue
        if CARRIERS_DIGITS.fullmatch(number.digits) or (len(number.sizes) == 1 and DPD.fullmatch(number.digits)):
            yield Span(number.start, number.end, "tracking_number")
    for match in NAMED_TRACKING.finditer(message.text):
        if sum(c.isdigit() for c in match[0]) < TRACKING_DIGITS or message.is_shielded(match.start(), match.end()):
            continue
        if cue_of(message.text, match.start(), match.end()) == "tracking_number":
            yield Span(match.start(), match.end(), "tracking_number")


def find_long_numbers(message: Message) -> Iterator[Span]:
    """Give numbers that are too long for anything else, as a carrier's."""
    for number in numbers(message, 14, 34):
        if not number.whole or not LONG_DIGITS.fullmatch(number.digits):
            continue
        if cue_of(message.text, number.start, number.end) not in ("order_number", "nothing"):
            yield Span(number.start, number.end, "tracking_number")


def find_typed_orders(message: Message) -> Iterator[Span]:
    """Give order numbers that nothing else is written like: a marketplace's, an invoice's with its year."""
    for match in TYPED.finditer(message.text):
        yield Span(match.start(), match.end(), "order_number")


def find_order_numbers(message: Message) -> Iterator[Span]:
    """Give what nlu.entities takes for an order number, and shorter ones where a word or a # says that they are."""
    for match in NAMED.finditer(message.text):
        if not _is_free(message, match.start(), match.end()) or _is_year(message, match.start(), match.end()):
            continue
        if cue_of(message.text, match.start(), match.end()) == "order_number":
            yield Span(match.start(), match.end(), "order_number")
    for match in HASH.finditer(message.text):
        if _is_free(message, match.start(1), match.end(1)):
            yield Span(match.start(1), match.end(1), "order_number")
    for match in ORDER_NUMBER.finditer(message.text):
        if not _is_free(message, match.start(1), match.end(1)):
            continue
        if cue_of(message.text, match.start(1), match.end(1)) not in ("nothing", "address"):
            yield Span(match.start(1), match.end(1), "order_number")


def _is_free(message: Message, start: int, end: int) -> bool:
    return not message.is_shielded(start, end) and not MEASURE.match(message.text, end)


def _is_year(message: Message, start: int, end: int) -> bool:
    return bool(YEAR.fullmatch(message.text[start:end]))
