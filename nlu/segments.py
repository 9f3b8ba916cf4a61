"""Finds two requests in one message, so that the dialogue can answer the first and take up the second next.

A message is cut at sentence ends and at the words for "and"; it holds two requests if two of its parts are each a
confident and different intent, and the whole message is taken for one of the two.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from nlu.entities import Entity
from nlu.parser import Parser, Prediction, Request

CONJUNCTION = re.compile(
    r"\s+(?:and(?: also)?|und(?: auch)?|y(?: también)?|et(?: aussi)?|e(?: anche| também)?|aur|और|तथा|wa)\s+"
    r"|\s+و\s*(?=\S{2})|，|、|并且|然后|还有|それと",
    re.IGNORECASE,
)
# A full stop ends a sentence only before white space: e-mails, amounts and addresses have others inside.
SENTENCE_END = re.compile(r"(?<=[.!?;؟।])\s+|(?<=[。！？；])\s*|\n+")
SHORTEST_PART = 6
CONFIDENT = 0.85
LETTERS_OF_AN_INTRODUCTION = 24  # "meine E-Mail-Adresse ist"


@dataclass(frozen=True)
class TwoRequests:
    """The first request's prediction, and the text of the second."""

    first: Prediction
    rest: str


def find_second_request(
    parser: Parser, request: Request, whole: Prediction, *, small_talk: Collection[str]
) -> TwoRequests | None:
    """Return the two requests of a message, or None where it holds one (or none)."""
    for pattern in (SENTENCE_END, CONJUNCTION):
        parts = _parts(request.text, pattern)
        if len(parts) < 2:
            continue
        found = parser.parse_many(
            [Request(part, request.market, request.hint, whole.treated_as) for part in parts]
        )
        sure = [
            (position, prediction)
            for position, prediction in enumerate(found)
            if prediction.intent.confidence >= CONFIDENT
            and prediction.intent.name not in small_talk
            and not gives_an_email(parts[position], prediction.entities)
        ]
        second = next((entry for entry in sure if entry[1].intent.name != sure[0][1].intent.name), None)
        if second is not None and whole.intent.name in (sure[0][1].intent.name, second[1].intent.name):
            return TwoRequests(first=sure[0][1], rest=" ".join(parts[second[0] :]))
    return None


def gives_an_email(text: str, entities: Collection[Entity]) -> bool:
    """Tell whether a part only says the customer's e-mail, which sounds like a wish to change it, and is none."""
    if not any(found.entity == "email" for found in entities):
        return False
    inside = {place for found in entities for place in range(found.start, found.end)}
    letters = sum(character.isalpha() for place, character in enumerate(text) if place not in inside)
    return letters <= LETTERS_OF_AN_INTRODUCTION


def _parts(text: str, pattern: re.Pattern[str]) -> Sequence[str]:
    return [part.strip() for part in pattern.split(text) if part and len(part.strip().encode()) >= SHORTEST_PART]
