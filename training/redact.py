"""Takes personal data out of messages and puts typed placeholders in. Touches only the files that the command is given.

redact("Ruf mich an: 0171 2345678", market)   # "Ruf mich an: <phone>"
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from nlu.language import LanguageDetector
from nlu.markets import Market, Markets, load_markets
from nlu.rows import Row, read_table, write_table
from training.pii.addresses import find_addresses
from training.pii.identities import find_identities, find_typed_identities
from training.pii.links import find_emails, find_urls
from training.pii.names import find_names, find_names_beside
from training.pii.numbers import find_cards, find_ibans
from training.pii.orders import find_long_numbers, find_order_numbers, find_tracking_numbers, find_typed_orders
from training.pii.phones import find_phones
from training.pii.spans import Finder, Span, read_message, without_overlaps
from training.placeholders import PLACEHOLDER, placeholder

# Where two find something in the same place, the one that stands first is believed: checksums and unmistakable forms
# before numbers of plain digits, names last.
FINDERS: tuple[Finder, ...] = (
    find_emails,
    find_urls,
    find_ibans,
    find_typed_orders,
    find_tracking_numbers,
    find_typed_identities,
    find_cards,
    find_identities,
    find_addresses,
    find_phones,
    find_long_numbers,
    find_order_numbers,
    find_names,
)
# Code points that are searched at a time: the patterns take more than twice as long for twice as much.
PIECE = 500
# They find something in messages without a digit as well; most messages have none.
WITHOUT_DIGITS: tuple[Finder, ...] = (find_emails, find_urls, find_addresses, find_names)


@dataclass(frozen=True)
class Redacted:
    """A message without personal data, and where it stood in the original (code points, end exclusive)."""

    text: str
    pii: tuple[Span, ...]


def redact(text: str, market: Market | None = None) -> Redacted:
    """Replace personal data by placeholders; the market's country decides how plain digits are read."""
    spans = find_pii(text, market)
    parts, last = [], 0
    for span in spans:
        parts += [text[last : span.start], placeholder(span.kind)]
        last = span.end
    return Redacted("".join([*parts, text[last:]]), tuple(spans))


def find_pii(text: str, market: Market | None = None) -> list[Span]:
    """Return the personal data of a message in the order of the text; no two share a character."""
    region = region_of(market)
    return [
        replace(span, start=span.start + start, end=span.end + start)
        for start, end in _pieces(text)
        for span in _find_in_piece(text[start:end], region)
    ]


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Cut a long text between lines, else between words, so that no text takes longer than its length."""
    start = 0
    while len(text) - start > PIECE:
        window = text[start : start + PIECE]
        cut = window.rfind("\n", PIECE // 2)
        cut = cut if cut > 0 else window.rfind(" ", PIECE // 2)
        end = start + (cut + 1 if cut > 0 else PIECE)
        yield start, end
        start = end
    yield start, len(text)


def _find_in_piece(text: str, region: str | None) -> list[Span]:
    message = read_message(text, region)
    finders = FINDERS if any(character.isdigit() for character in message.text) else WITHOUT_DIGITS
    found = [span for finder in finders for span in finder(message)]
    chosen = without_overlaps([*found, *find_names_beside(message, found)])
    taken = [(match.start(), match.end()) for match in PLACEHOLDER.finditer(text)]
    spans = [message.original(span) for span in chosen]
    return [span for span in spans if not any(span.start < end and start < span.end for start, end in taken)]


def region_of(market: Market | None) -> str | None:
    """Return the country of a market (ISO 3166), as its code has it."""
    return market.code.rpartition("-")[2] if market and "-" in market.code else None


def run(options: argparse.Namespace) -> None:
    """Redact the texts of a CSV; a row without a market is read as its language's first one."""
    markets = load_markets()
    table = read_table(options.input, list(markets.by_code))
    market_of = _market_finder(markets)
    answers = []
    for row in table.rows:
        redacted = redact(row.text, market_of(row))
        pii = [{"start": span.start, "end": span.end, "type": span.kind} for span in redacted.pii]
        answers.append({"redacted": redacted.text, "pii": json.dumps(pii)})
    write_table(options.output, table, answers, ["redacted", "pii"])


def _market_finder(markets: Markets) -> Callable[[Row], Market | None]:
    detector = LanguageDetector(markets.languages)

    def market_of(row: Row) -> Market | None:
        if row.market:
            return markets[row.market]
        language = detector.detect(row.text, hint=row.hint).code
        return next((market for market in markets if language in market.languages), None)

    return market_of
