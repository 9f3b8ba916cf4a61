"""Counts how often each word, and each two in a row, are in each language: what `training/language.py` makes tables of.

Reads wordfreq, `training/examples/` and the rows of `POLYDESK_DATA` if they are there; writes nothing.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import yaml

from nlu.language_text import latin_words, readable, script_of, scripts, spelling, without_accents

EXAMPLES = Path("training/examples")
MAIN = ("en", "de", "es", "fr", "it", "pt")
KEPT_WORDS = dict.fromkeys(MAIN, 25_000) | dict.fromkeys(("nl", "pl", "sv", "da", "tr"), 6_000)
HAN_WORDS = 15_000
ROMANISED = {"hi": "hi-Latn", "ar": "ar-Latn"}

_CUSTOMERS = 0.2
"""How much of a word's frequency is its frequency in `training/examples/`; the rest is wordfreq's."""
_SHORTHAND = 1e-4
"""What the listed shorthand, and a shop's words in Japanese, have at least."""
_TRADITIONAL = 0.1
"""How often Chinese is written in traditional characters."""
_COMMON_ELSEWHERE = 3e-6
_ENGLISH_SHARE = {"hi": 0.3, "ar": 0.1}
"""How much of a message in Hindi or Arabic in Latin letters is English words."""
_TIERS = {"common": 6e-3, "frequent": 6e-4}

Frequencies = dict[str, dict[str, float]]


def word_frequencies(words: dict[str, Any]) -> tuple[Frequencies, Frequencies]:
    """Return how often each language has each word, and Hindi's and Arabic's own in Latin letters, English left out.

    `words` is `training/language_words.yml`.
    """
    frequencies = _listed_frequencies()
    english = frequencies["en"]
    for language in MAIN:
        frequencies[language] = _as_customers_write(frequencies[language], examples(language), english)
        _list_shorthand(frequencies[language], words["shorthand"][language])
    _list_shorthand(frequencies["ja"], words["ja"])
    frequencies["zh"] |= _traditional(frequencies["zh"])
    native = {tag: _native(words[language], language, frequencies) for language, tag in ROMANISED.items()}
    for language, tag in ROMANISED.items():
        share = _ENGLISH_SHARE[language]
        mixed_in = {word: share * frequency for word, frequency in frequencies["en"].items()}
        frequencies[tag] = mixed_in | {w: p * (1 - share) + mixed_in.get(w, 0.0) for w, p in native[tag].items()}
    return frequencies, native


def pair_frequencies(shared: set[str]) -> Frequencies:
    """Return for two words in a row, without accents, how often each language has them; both are of `shared`.

    What English has most is left out: titles and products in English turn up in every language.
    """
    texts = {language: examples(language) for language in MAIN}
    texts |= {tag: _romanised_rows(language) for language, tag in ROMANISED.items()}
    table: Frequencies = {}
    for tag, rows in texts.items():
        words = [[without_accents(spelling(word)) for word in latin_words(readable(row))] for row in rows]
        total = sum(map(len, words))
        for pair, n in Counter(pair for row in words for pair in pairwise(row)).items():
            if shared.issuperset(pair):
                table.setdefault(" ".join(pair), {})[tag] = n / total
    return {pair: row for pair, row in table.items() if row.get("en", 0.0) < max(row.values())}


def _listed_frequencies() -> Frequencies:
    wordfreq = importlib.import_module("wordfreq")
    frequencies: Frequencies = {}
    for language in (*KEPT_WORDS, "ja", "zh"):
        script = "Latn" if language in KEPT_WORDS else "Hani"
        listed = wordfreq.get_frequency_dict(language, "best")
        frequencies[language] = {
            word: p for word, p in listed.items() if all(script_of(c) == script for c in word if c != "'")
        }
    return frequencies


def _traditional(listed: dict[str, float]) -> dict[str, float]:
    """Chinese words in traditional characters; wordfreq counts them as the simplified ones."""
    packed = Path(importlib.import_module("wordfreq").__file__ or "").parent / "data" / "_chinese_mapping.msgpack.gz"
    simplified = importlib.import_module("msgpack").unpackb(gzip.decompress(packed.read_bytes()), strict_map_key=False)
    forms: dict[str, str] = {}
    for letter, simple in simplified.items():
        forms[simple] = forms.get(simple, simple) + chr(letter)
    spelt: dict[str, float] = {}
    for word in sorted(listed, key=lambda word: -listed[word])[:HAN_WORDS]:
        for letters in product(*(forms.get(letter, letter) for letter in word)):
            if (form := "".join(letters)) not in listed:
                spelt[form] = spelt.get(form, 0.0) + _TRADITIONAL * listed[word]
    return spelt


def _as_customers_write(listed: dict[str, float], rows: Iterable[str], english: dict[str, float]) -> dict[str, float]:
    """Mix the frequencies of books, news and subtitles with those of what customers ask a shop.

    A word that English has more often ("hello") stays as it is: everybody writes such words.
    """
    typed = [spelling(word) for row in rows for word in latin_words(readable(row))]
    counts = Counter(part for word in typed for part in ([word] if word in listed else word.split("'")) if part)
    total = counts.total()
    customers = {word: (n if n > 1 or word in listed else 0.2) / total for word, n in counts.items()}
    return listed | {
        word: (1 - _CUSTOMERS) * listed.get(word, 0.0) + _CUSTOMERS * customers.get(word, 0.0)
        for word in listed | customers
        if english.get(word, 0.0) <= listed.get(word, 0.0)
    }


def _list_shorthand(frequencies: dict[str, float], words: str) -> None:
    for word in words.split():
        frequencies[word] = max(frequencies.get(word, 0.0), _SHORTHAND)


def _native(tiers: dict[str, str], language: str, frequencies: Frequencies) -> dict[str, float]:
    """Frequencies of Hindi's or Arabic's own words in Latin letters: our list, and the counts of what people wrote.

    A listed word that nobody wrote, and that another language has ("shift"), is no more frequent than there.
    """
    english = frequencies["en"]
    listed = {word: rate for tier, rate in reversed(_TIERS.items()) for word in tiers[tier].split()}
    counts = Counter(spelling(word) for text in _romanised_rows(language) for word in latin_words(readable(text)))
    total = counts.total()
    counted = {w: n / total for w, n in counts.items() if w in listed or (n >= 2 and english.get(w, 0) < 1e-6)}
    rates = {w: (listed.get(w, 0.0) + counted.get(w, 0.0)) / 2 for w in {*listed, *counted}}
    for word in rates.keys() - counted.keys():
        elsewhere = max(frequencies[tag].get(word, 0.0) for tag in MAIN)
        if elsewhere > _COMMON_ELSEWHERE:
            rates[word] = min(rates[word], elsewhere)
    once = {w: 0.2 / total for w, n in counts.items() if n == 1 and w not in rates and english.get(w, 0) < 1e-7}
    return rates | once


def _romanised_rows(language: str) -> Iterator[str]:
    rows = [*examples(language), *(_shared(f"umsab/{language}/train.csv") if language == "hi" else ())]
    return (row for row in rows if set(scripts(readable(row))) == {"Latn"})


def examples(language: str) -> Iterator[str]:
    """Yield what customers write, by `training/examples/`; nothing for a language without examples."""
    path = EXAMPLES / f"{language}.yml"
    if path.exists():
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["nlu"]:
            yield from (line.removeprefix("- ").strip() for line in group["examples"].splitlines())


def _shared(name: str) -> Iterator[str]:
    path = Path(os.environ.get("POLYDESK_DATA", "../shared/data")) / name
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            yield from (row["text"] for row in csv.DictReader(file))


def cased_words() -> Iterator[str]:
    """Words as people wrote them inside a sentence: a name is mostly written with a capital, a word not."""
    names = [f"umsab/{language}/train.csv" for language in ("en", "de", "es", "fr", "it", "pt")]
    sources: list[Iterable[str]] = [_shared(name) for name in (*names, "bitext/train.csv", "clinc150/train.csv")]
    for text in (row for source in (*sources, *map(examples, KEPT_WORDS)) for row in source):
        yield from re.findall(r"(?<=[a-zà-ÿ,] )[^\W\d_]+", readable(text))
