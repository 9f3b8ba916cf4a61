"""Reads `words.yml`, and tells by the words around a number what it is the number of. Touches that file only."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml

WORDS_FILE = Path(__file__).with_name("words.yml")
NOTHING = "nothing"
BEFORE, AFTER = 40, 28  # characters in which a cue may stand
# A sentence's end, or a comma with a word behind it, parts a number from what was said before.
BREAK = re.compile(r"[?!;]|(?<!:)\n|(?:,|(?<=\w{3})\.)(?=\s+[^\W\d])")
# Where a word can begin: not within one, except in scripts that put no space between words. Most places are ruled out
# at once by that, which is what makes a pattern of hundreds of words quick.
WORD_BEGINS = r"(?:(?<!\w)|(?=[\u3040-\u30ff\u4e00-\u9fff]))"
WIDE = re.compile(r"[\u0900-\u097f\u0600-\u06ff\u3040-\u30ff\u4e00-\u9fff]")
LATIN = "a-zà-ɏ0-9"
# Behind a number a cue counts only in such a phrase: "48213 is my order number", "48213 (Bestellnummer)".
LINK = re.compile(r"\W{0,3}(?:is|was|ist|war|es|era|est|è|é|hai|है|هو|هي|是)?\W{0,3}(?:\w+\W){0,2}$")


@cache
def words() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the words of each section and key of the file, longest first."""
    content = yaml.safe_load(WORDS_FILE.read_text(encoding="utf-8"))
    return {section: {key: _split(lines) for key, lines in keys.items()} for section, keys in content.items()}


@cache
def any_of(section: str, key: str) -> str:
    """Return a pattern that matches any of a key's words where it stands alone, in any case."""
    return f"(?:{'|'.join(_pattern(word) for word in words()[section][key])})"


def cue_of(text: str, start: int, end: int) -> str | None:
    """Return the kind that the nearest cue names for what stands at `start` to `end`; "nothing" if it is nobody's."""
    before = text[max(0, start - BEFORE) : start].lower()
    breaks = [match.end() for match in BREAK.finditer(before)]
    before = before[breaks[-1] :] if breaks else before
    found = [(match.end(), match.end() - match.start(), match.lastgroup) for match in _cues().finditer(before)]
    if found:
        return max(found)[2]
    after = text[end : end + AFTER].lower()
    stop = BREAK.search(after)
    after = after[: stop.start()] if stop else after
    match = _cues().search(after)
    return match.lastgroup if match and LINK.fullmatch(after[: match.start()]) else None


@cache
def _cues() -> re.Pattern[str]:
    groups = [f"(?P<{kind}>{any_of('cues', kind)})" for kind in words()["cues"]]
    return re.compile(f"{WORD_BEGINS}(?:{'|'.join(groups)})")


def _split(lines: list[str]) -> tuple[str, ...]:
    unique = {word.strip() for line in lines for word in line.split(",")}
    return tuple(sorted(unique, key=lambda word: (-len(word), word)))


def _pattern(word: str) -> str:
    stem = re.escape(word.removesuffix("*")).replace(r"\ ", r"\s+")
    more = r"\w*" if word.endswith("*") and not WIDE.search(word) else ""
    if WIDE.search(word) and re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", word):
        return stem
    return rf"(?<![\w@]){stem}{more}(?!\w)"
