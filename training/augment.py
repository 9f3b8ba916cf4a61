"""Small spelling changes as customers make them, drawn anew at each epoch: casing, dropped accents, one typing slip."""

from __future__ import annotations

import random
import unicodedata

SHARE = 0.25
SHORTEST = 8


def augment(text: str, chance: random.Random) -> str:
    """Return `text`, or in about a quarter of the calls a misspelt form of it."""
    if chance.random() > SHARE:
        return text
    return chance.choice((str.lower, without_accents, without_punctuation, lambda line: with_slip(line, chance)))(text)


def without_accents(text: str) -> str:
    """Drop the accents of Latin letters; other scripts keep their marks, which are part of the word."""
    letters = []
    for letter in text:
        parts = unicodedata.normalize("NFD", letter)
        letters.append(parts[0] if parts[0].isascii() else letter)
    return "".join(letters)


def without_punctuation(text: str) -> str:
    """Drop punctuation at the end, and opening marks."""
    return text.rstrip(" .!?…。！？؟।").lstrip("¿¡") or text


def with_slip(text: str, chance: random.Random) -> str:
    """Swap, drop or double one letter of an alphabetic word."""
    places = [place for place in range(1, len(text) - 1) if text[place - 1 : place + 2].isalpha()]
    if len(text) < SHORTEST or not places or not text[places[0]].isascii():
        return text
    place = chance.choice(places)
    kind = chance.randrange(3)
    if kind == 0:
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if kind == 1:
        return text[:place] + text[place + 1 :]
    return text[:place] + text[place] + text[place:]
