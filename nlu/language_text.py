"""Reads a message's letters: its scripts, its words, and what in it belongs to no language. Touches nothing else."""

from __future__ import annotations

import re
import unicodedata
import zlib
from functools import lru_cache

LONGEST = 2_000
"""Characters looked at; a language shows long before."""

_SCRIPTS = {
    "LATIN": "Latn",
    "DEVANAGARI": "Deva",
    "ARABIC": "Arab",
    "CJK": "Hani",
    "HIRAGANA": "Kana",
    "KATAKANA": "Kana",
    "KATAKANA-HIRAGANA": "Kana",
    "HANGUL": "Kore",
    "CYRILLIC": "Cyrl",
    "GREEK": "Grek",
    "HEBREW": "Hebr",
    "THAI": "Thai",
    "BENGALI": "Beng",
    "TAMIL": "Taml",
    "TELUGU": "Telu",
    "GUJARATI": "Gujr",
    "GURMUKHI": "Guru",
    "KANNADA": "Knda",
    "MALAYALAM": "Mlym",
    "ARMENIAN": "Armn",
    "GEORGIAN": "Geor",
}
"""The first word of a letter's Unicode name, and its script (ISO 15924; Hani is Han, Kana both kana)."""

_NOBODYS = re.compile(
    r"""https?://\S+ | www\.\S+                        # addresses of pages
    | \S+@\S+                                          # e-mail addresses, handles
    | \b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|info|shop|example|io|co|de|es|fr|it|pt|br|in|sa|cn|jp|us|uk|eu)\b(?:/\S*)?
    | (?-i:\b[A-Z]{1,4}[-_]\d[\w-]*)                  # order numbers
    | (?<!\w)[#@]\w+ | <[^<>]*> | &\w+;                # hashtags, markup
    """,
    re.VERBOSE | re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+(?:['’`´][^\W_]+)*")
_CODE = re.compile(r"\d+|.*\d\d\d.*|(?=.*[A-Z])(?=.*\d)[A-Z\d]+|[A-Z]{1,2}\d.*|[a-z]?\d+[a-z]{0,2}|\d*[a-z]{1,3}\d+")
_RUN = re.compile(r"(.)\1{2,}")
_LAST_RUN = re.compile(r"(?<=.)(.)(?<!\1\1)\1{2,}+$")


@lru_cache(maxsize=8192)
def script_of(letter: str) -> str:
    """Return the script of one letter, "" for what is no letter or has a script that is not known here."""
    if letter.isascii():
        return "Latn" if letter.isalpha() else ""
    if not (letter.isalpha() or unicodedata.category(letter).startswith("M")):
        return ""
    return _SCRIPTS.get(unicodedata.name(letter, "").split(" ")[0], "")


def readable(text: str) -> str:
    """Return the text in one Unicode form, cut at `LONGEST`, without addresses, handles and markup."""
    return _NOBODYS.sub(" ", unicodedata.normalize("NFKC", text[:LONGEST]))


def scripts(text: str) -> dict[str, int]:
    """Count the letters of each script."""
    counts: dict[str, int] = {}
    for letter in text:
        script = script_of(letter)
        if script:
            counts[script] = counts.get(script, 0) + 1
    return counts


def latin_words(text: str) -> list[str]:
    """Return the words in Latin letters as typed, without numbers and codes ("3ndi" is a word, "A-1042" is not)."""
    return [
        word
        for word in _WORD.findall(text)
        if not _CODE.fullmatch(word) and any(script_of(letter) == "Latn" for letter in word)
    ]


def spelling(word: str) -> str:
    """Return a word as the tables have it: small letters, a straight apostrophe, no stretched letters ("helloooo")."""
    return _RUN.sub(r"\1\1", _LAST_RUN.sub(r"\1", word.lower()).replace("’", "'").replace("`", "'").replace("´", "'"))


def without_accents(word: str) -> str:
    """Return "devolución" as "devolucion"."""
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c)).replace("ß", "ss")


def key(word: str) -> int:
    """Return the 32-bit number under which the tables keep a word."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


def letter_groups(word: str, buckets: int) -> list[int]:
    """Return the buckets of a word's groups of one to five letters, its edges marked."""
    marked = f"<{word[:40]}>".encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return [
        zlib.crc32(marked[start : start + size].encode()) % buckets
        for size in range(1, 6)
        for start in range(len(marked) - size + 1)
    ]
