"""Finds messages that say the same in almost the same letters, in any script. Touches nothing.

MinHash over character shingles (Broder, 1997), found by locality-sensitive hashing, then compared letter for letter, so
that a hash that is unlucky removes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import TypeVar

from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]

SIMILARITY = 0.85  # Jaccard of the shingles: one word of a sentence changed is less, a typo or a comma is more
PERMUTATIONS = 64
# The search looks a little further than it keeps, because MinHash estimates.
SEARCH = 0.7
SHINGLE = 3
# A Chinese or Japanese character says about what two or three letters do.
WIDE_SHINGLE = 2
# Marks that choose a glyph, most often an emoji's colour, and say nothing.
VARIATION_SELECTOR = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
Item = TypeVar("Item")


def without_near_duplicates(items: Iterable[Item], text: Callable[[Item], str]) -> list[Item]:
    """Return the items in order, of those that are near each other only the first.

    A text of a few letters has few shingles: there only the same one, but for case and punctuation, is a duplicate.
    Texts that have no letters at all, 👍 or "??", are compared as they are.
    """
    kept: list[Item] = []
    index = MinHashLSH(threshold=SEARCH, num_perm=PERMUTATIONS)
    shingles: list[frozenset[str]] = []
    seen: set[str] = set()
    for item in items:
        plain = plain_letters(text(item)) or text(item).strip()
        if plain in seen:
            continue
        mine = shingles_of(plain)
        sketch = _sketch(mine)
        if any(similarity(mine, shingles[place]) >= SIMILARITY for place in index.query(sketch)):
            continue
        seen.add(plain)
        index.insert(len(kept), sketch)
        shingles.append(mine)
        kept.append(item)
    return kept


def plain_letters(text: str) -> str:
    """Return the text's letters, digits and marks in lower case, words apart by one space."""
    folded = VARIATION_SELECTOR.sub("", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(c if c.isalnum() or _is_mark(c) else " " for c in folded).split())


def shingles_of(plain: str) -> frozenset[str]:
    """Return the overlapping pieces of a text: three letters long, two where the script writes words as characters."""
    wide = _is_wide(plain)
    size = WIDE_SHINGLE if wide else SHINGLE
    # Where words are not written apart, a space is only a comma that left.
    padded = f" {plain.replace(' ', '') if wide else plain} "
    return frozenset(padded[start : start + size] for start in range(max(1, len(padded) - size + 1)))


def similarity(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the Jaccard index of two sets of shingles, 0 to 1."""
    return len(first & second) / max(1, len(first | second))


def _is_mark(character: str) -> bool:
    # By category: Indian and Thai vowel signs, which tell words apart, have the combining class of a letter.
    return unicodedata.category(character) in ("Mn", "Mc")


def _is_wide(text: str) -> bool:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return wide * 2 > len(text)


def _sketch(shingles: frozenset[str]) -> MinHash:
    sketch = MinHash(num_perm=PERMUTATIONS)
    sketch.update_batch([shingle.encode() for shingle in sorted(shingles)])
    return sketch
