"""Small changes as customers make them, drawn anew at each epoch: casing, dropped accents, a typing slip, Latin letters
for another script, a word of another language, and the placeholders that redaction leaves. Touches no file but the list
of words beside it.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

from training.placeholders import placeholder
from training.transliterate import romanised

Kind = Literal["casing", "accents", "punctuation", "slips", "transliteration", "code_switching", "placeholders"]
DEFAULT_KINDS: tuple[Kind, ...] = ("casing", "accents", "punctuation", "slips")
SHARE = 0.25
SHORTEST = 8
SWITCHED_WORDS = Path(__file__).with_name("switched_words.yml")
_EMAIL = re.compile(r"\S+@\S+\.\w+")
_URL = re.compile(r"(?:https?://|www\.)\S*[^\s.,;!?)]")
_NUMBER = re.compile(r"#?\b[A-Z]{0,3}-?\d{4,}\b")


def augment(
    text: str,
    chance: random.Random,
    *,
    kinds: Sequence[Kind] = DEFAULT_KINDS,
    share: float = SHARE,
    language: str = "",
) -> str:
    """Return `text`, or in about `share` of the calls a form of it changed by one of the `kinds`."""
    if not kinds or chance.random() > share:
        return text
    changes: dict[Kind, Callable[[], str]] = {
        "casing": text.lower,
        "accents": lambda: without_accents(text),
        "punctuation": lambda: without_punctuation(text),
        "slips": lambda: with_slip(text, chance),
        "transliteration": lambda: romanised(text),
        "code_switching": lambda: with_switched_word(text, language, chance),
        "placeholders": lambda: with_placeholders(text),
    }
    return changes[chance.choice(kinds)]()


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


def with_switched_word(text: str, language: str, chance: random.Random) -> str:
    """Put another language's word for one that the text has (CoSDA-ML, Qin et al. 2020, arXiv:2006.06402)."""
    found = [(match, row) for row in _switched_words() for match in _matches(text, row.get(language, ""))]
    if not found:
        return text
    match, row = chance.choice(found)
    word = row[chance.choice([other for other in row if other != language])]
    return text[: match.start()] + word + text[match.end() :]


def with_placeholders(text: str) -> str:
    """Put in place of e-mail addresses, links and long numbers what redaction would leave of them."""
    text = _EMAIL.sub(placeholder("email"), text)
    text = _URL.sub(placeholder("url"), text)
    return _NUMBER.sub(placeholder("order_number"), text)


@cache
def _switched_words() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = yaml.load(SWITCHED_WORDS.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return rows


def _matches(text: str, word: str) -> list[re.Match[str]]:
    if not word:
        return []
    # Chinese and Japanese leave no space between words.
    edge = "" if ord(word[0]) >= 0x3040 else r"\b"
    return list(re.finditer(f"{edge}{re.escape(word)}{edge}", text, re.IGNORECASE))
