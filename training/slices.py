"""Kinds of messages that an average hides: short, long, each script, romanised, code-mixed, typos. Touches nothing.

A slice is a part of the rows, but for *typos*: those are all rows again, each with one typing slip that was not there.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from training.augment import with_slip
from training.dataset import Example

SHORT, LONG = 3, 15  # words
LETTERS_A_WORD = 2  # of scripts that write no spaces
# The script that a language is written in, where that is not Latin; of the languages that Polydesk ships.
OWN_SCRIPT = {"ar": "Arabic", "hi": "Devanagari", "ja": "Han", "zh": "Han"}
SCRIPTS = {"ARABIC": "Arabic", "DEVANAGARI": "Devanagari", "CJK": "Han", "HIRAGANA": "Han", "KATAKANA": "Han",
           "LATIN": "Latin"}  # fmt: skip
MIXED_SHARE = 0.15


def slices(examples: Sequence[Example]) -> dict[str, list[int]]:
    """Return the places of the rows of each slice, without empty ones."""
    parts: dict[str, list[int]] = {}
    for place, example in enumerate(examples):
        for name in names_of(example):
            parts.setdefault(name, []).append(place)
    return dict(sorted(parts.items()))


def names_of(example: Example) -> list[str]:
    """Name the slices that a message belongs to."""
    scripts = script_shares(example.text)
    main = max(scripts, key=scripts.__getitem__, default="no letters")
    words = word_count(example.text)
    length = "short" if words <= SHORT else "long" if words > LONG else "medium"
    names = [f"length: {length}", f"script: {main}"]
    own = OWN_SCRIPT.get(example.language, "Latin")
    if own != "Latin" and main == "Latin":
        names.append("romanised")
    if sum(share >= MIXED_SHARE for share in scripts.values()) > 1:
        names.append("code-mixed")
    return names


def word_count(text: str) -> int:
    """Count words; where none are written apart, two letters count as one."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" and letter.isalpha() for letter in text)
    return len(text.split()) - bool(wide) + wide // LETTERS_A_WORD


def script_shares(text: str) -> Mapping[str, float]:
    """Return the share of each script among the letters, 0 to 1."""
    found = Counter(
        SCRIPTS.get(unicodedata.name(letter, "").split(" ")[0].split("-")[0], "other")
        for letter in text
        if letter.isalpha()
    )
    return {script: count / found.total() for script, count in found.items()}


def with_typos(examples: Sequence[Example], *, seed: int = 0) -> list[Example]:
    """Return the rows with one typing slip each, where a word has room for one."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    return [replace(example, text=with_slip(example.text, chance)) for example in examples]
