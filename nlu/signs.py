"""What a message says without a word, or with its first: thumbs, bare numbers, "yes, cancel it". Pure functions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from nlu.entities import Entity

PICTURE = "So"  # Unicode's category of emoji
YES, NO = "👍👌✅", "👎❌🚫"
VARIANTS = re.compile("[\ufe0f\U0001f3fb-\U0001f3ff\\s]")  # emoji's colours of skin and their sign "as a picture"
BETWEEN_WORDS = re.compile(r"[\s,.!?;:…，。！？；：、،؛؟।]+")


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
