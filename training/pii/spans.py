"""What finders of personal data read and give: a message in plain characters, and spans in it. Touches nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nlu.entities import find_entities
from training.placeholders import Kind

DASHES = "‐‑‒–—―−－﹣"
QUOTES = {"’": "'", "‘": "'", "´": "'", "＇": "'", "“": '"', "”": '"'}
# Signs of other scripts that separate as the Latin ones do.
SEPARATORS = {"、": ",", "،": ",", "，": ",", "。": ".", "．": ".", "：": ":", "؛": ";", "؟": "?", "।": "."}
# They steer writing direction and joining, and stand unseen inside numbers.
INVISIBLE = {"Cf"}
EDGES = " \n\t,;"


@dataclass(frozen=True)
class Span:
    """Personal data: code points `start` to `end` (exclusive) of the text a finder was given."""

    start: int
    end: int
    kind: Kind

    def overlaps(self, other: Span) -> bool:
        """Whether two spans share a character."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Message:
    """A message as finders read it.

    `text` has ASCII digits and punctuation whatever the script, and no invisible marks; `offsets` says where each of
    its characters stood in the original. `region` is the country of the market (ISO 3166), None when it is not known.
    """

    text: str
    offsets: tuple[int, ...]
    region: str | None

    @cached_property
    def shielded(self) -> tuple[tuple[int, int], ...]:
        """Where dates and amounts of money stand, which look like numbers of persons and orders and are not."""
        found = find_entities(self.text)
        return tuple((one.start, one.end) for one in found if one.entity in ("date", "amount"))

    def is_shielded(self, start: int, end: int) -> bool:
        """Whether a date or an amount stands here."""
        return any(start < last and first < end for first, last in self.shielded)

    def original(self, span: Span) -> Span:
        """Return the span with the original text's offsets, without the spaces and commas at its ends."""
        found = self.text[span.start : span.end]
        start = span.start + len(found) - len(found.lstrip(EDGES))
        end = span.start + len(found.rstrip(EDGES))
        return Span(self.offsets[start], self.offsets[end - 1] + 1, span.kind)


Finder = Callable[[Message], Iterator[Span]]


def read_message(text: str, region: str | None) -> Message:
    """Make a message readable for the finders."""
    kept = [(position, character) for position, character in enumerate(text) if _is_visible(character)]
    plain = "".join(_plain(character) for _, character in kept)
    return Message(plain, tuple(position for position, _ in kept), region)


def without_overlaps(spans: Sequence[Span]) -> list[Span]:
    """Return spans that share no character, in the order of the text; of two that overlap the earlier in the list."""
    chosen: list[Span] = []
    for span in spans:
        if not any(span.overlaps(other) for other in chosen):
            chosen.append(span)
    return sorted(chosen, key=lambda span: span.start)


def _is_visible(character: str) -> bool:
    return character.isascii() or unicodedata.category(character) not in INVISIBLE


def _plain(character: str) -> str:
    if character.isascii():
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character in DASHES:
        return "-"
    replaced = QUOTES.get(character) or SEPARATORS.get(character)
    if replaced:
        return replaced
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    return " " if unicodedata.category(character) == "Zs" else character
