"""What a message says before any adapter is asked: thumbs, bare numbers, "yes, cancel it", "maybe". Pure functions.

The words are in `signs.yml` beside this file, by language; it is read once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

from nlu.entities import EMAIL, Entity
from nlu.language_text import without_accents

WORDS_FILE = Path(__file__).with_name("signs.yml")
PICTURE = "So"  # Unicode's category of emoji
YES, NO = "👍👌✅", "👎❌🚫"
VARIANTS = re.compile("[\ufe0f\U0001f3fb-\U0001f3ff\\s]")  # emoji's colours of skin and their sign "as a picture"
BETWEEN_WORDS = re.compile(r"[\s,.!?;:…，。！？；：、،؛؟।]+")

QUESTION_MARKS = ("?", "？", "؟")
UNSPACED = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")  # kana and Han

LONGEST = 500  # characters; who writes more has said it by then

Sign = Literal["agrees", "hesitates", "unsubscribes", "subscribes"]


def says_a_word(text: str, entities: Sequence[Entity]) -> bool:
    """Tell whether a message has a letter or a picture beside its entities: a bare number or e-mail wishes nothing."""
    inside = {place for found in entities for place in range(found.start, found.end)}
    return any(
        character.isalpha() or unicodedata.category(character) == PICTURE
        for place, character in enumerate(text)
        if place not in inside
    )


def thumb(text: str) -> bool | None:
    """Return what a message of nothing but thumbs and the like says: True is yes, False no, None neither."""
    signs = set(VARIANTS.sub("", text))
    for meaning, known in ((True, YES), (False, NO)):
        if signs and signs <= set(known):
            return meaning
    return None


def first_word(text: str) -> str | None:
    """Return the first of several words; None for one alone."""
    words = [word for word in BETWEEN_WORDS.split(text) if word]
    return words[0] if len(words) > 1 else None


def asks(text: str) -> bool:
    """Tell whether a message ends with a question mark."""
    return text.rstrip().endswith(QUESTION_MARKS)


def agrees(word: str) -> bool:
    """Tell whether a word is a yes by itself. Adapters take many a short word for one."""
    return bool(_words("agrees").fullmatch(_folded(word)))


def hesitates(text: str) -> bool:
    """Tell whether a message is neither a clear yes nor a clear no: "maybe", "not sure", "let me think"."""
    return _says("hesitates", text)


def newsletter_wish(text: str) -> Literal["subscribe", "unsubscribe"] | None:
    """Return what a message about the newsletter wants; None where its words do not say it."""
    if _says("unsubscribes", text):
        return "unsubscribe"
    return "subscribe" if _says("subscribes", text) else None


def _says(sign: Sign, text: str) -> bool:
    return bool(_words(sign).search(_folded(EMAIL.sub(" ", text[:LONGEST]))))


@cache
def _words(sign: Sign) -> re.Pattern[str]:
    languages = yaml.safe_load(WORDS_FILE.read_text(encoding="utf-8"))
    entries = [without_accents(entry) for lists in languages.values() for entry in lists[sign]]
    return re.compile("|".join(entry if UNSPACED.search(entry) else rf"(?<!\w)(?:{entry})" for entry in entries))


def _folded(text: str) -> str:
    return without_accents(text.casefold()).replace("\u2019", "'")
