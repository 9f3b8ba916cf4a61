"""What a word in Latin letters says about its language: how often each language has it, else how it is spelt.

Reads `language_model.safetensors` beside this file (made by `training/language.py`); touches nothing else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from nlu.language_text import key, letter_groups, spelling, without_accents

MODEL_FILE = Path(__file__).with_name("language_model.safetensors")
ROMANISED = {"hi": "hi-Latn", "ar": "ar-Latn"}
"""Languages of other scripts that customers also type in Latin letters, and their class in the model."""

_NOBODYS = "und"
_RARITY_STEP = math.log(10) / 25  # the file keeps -log10(frequency) * 25 in a byte
_ABSENT = math.log(400)
"""A word that a language lacks counts against it as if it were this much rarer, so that no word decides alone."""
_ENGLISH_WORD = math.log(30)
"""In every language, English words turn up, as products and titles, at about one in this many."""
_ABSENT_PAIR = math.log(50)
_PAIR_WEIGHT = 0.8
"""What two words in a row say is partly what each says."""
_LEAST_ROMANISED = math.log(3e-7)
"""No word is rarer in Hindi or Arabic in Latin letters: their lists are short and their spellings many."""
_ARABIC_DIGIT = re.compile(r"(?<!\d)[235679](?=[a-z])")
_ARABIC_BY_DIGIT = 2.0
"""Nats for Arabic where a digit stands for a letter ("ma7ad")."""
_STRETCHED = re.compile(r"(.)\1$")
_SPELLING_WEIGHT = 0.8
_MOST_SPELLING = 6.0


@dataclass(frozen=True)
class WordEvidence:
    """Log likelihoods of a word in each class, up to a constant, and where they come from.

    `known`: some language in use has the word. `name`: it is a person's, a city's, a brand's, or nobody's word.
    `nobodys`: log probability that an unknown word is spelt like a name or a code.
    """

    scores: NDArray[np.float64]
    known: bool
    name: bool
    nobodys: float = -math.inf


class LanguageModel:
    """The tables, narrowed to the languages in use.

    `classes` are the languages of the model that are in use: ISO codes, and "hi-Latn", "ar-Latn".
    """

    def __init__(self, languages: Sequence[str], path: Path = MODEL_FILE) -> None:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        all_classes, spelt = json.loads(metadata["classes"]), json.loads(metadata["spelt"])
        wanted = {ROMANISED.get(language, language) for language in languages}
        self.classes = tuple(tag for tag in spelt if tag in wanted)
        self._han = {all_classes.index(language): language for language in ("ja", "zh") if language in languages}
        self._column = {all_classes.index(tag): column for column, tag in enumerate(self.classes)}
        self._english = self.classes.index("en") if "en" in self.classes else None
        self._romanised = [column for column, tag in enumerate(self.classes) if tag in ROMANISED.values()]
        self._arabic = [column for column, tag in enumerate(self.classes) if tag == ROMANISED["ar"]]
        self._keys = tensors["word_keys"]
        self._ends = tensors["word_entries"].cumsum(dtype=np.int32)
        self._entry_classes = tensors["entry_classes"]
        self._rarity = tensors["entry_rarity"]
        self._names = tensors["name_keys"]
        columns = [*(spelt.index(tag) for tag in self.classes), spelt.index(_NOBODYS)]
        self._spelling = tensors["spelling"][:, columns]
        self._spelling_scale = tensors["spelling_scale"][columns].astype(np.float64)
        self._spelling_bias = tensors["spelling_bias"][columns].astype(np.float64)

    def evidence(self, word: str) -> WordEvidence:
        """Return what one word, as typed, says."""
        word = spelling(word)
        name = self.is_name(word)
        if not self._entries(word):
            word = _STRETCHED.sub(r"\1", word)
        parts = [word] if self._entries(word) or "'" not in word else [part for part in word.split("'") if part]
        found = [(part, self._entries(part)) for part in parts]
        scores = np.zeros(len(self.classes))
        for part, entries in found:
            scores += self._listed(entries) if entries else self._spelt(part)[0]
        if any(entries for _, entries in found):
            return WordEvidence(scores, known=True, name=name)
        return WordEvidence(scores, known=False, name=name, nobodys=max(self._spelt(part)[1] for part in parts))

    def pair(self, first: str, second: str) -> NDArray[np.float64]:
        """Return what two words in a row say beside what each says: log likelihoods, equal if nobody has them."""
        entries = self._entries(without_accents(f"{spelling(first)} {spelling(second)}"))
        scores = np.full(len(self.classes), max((score for _, score in entries), default=0.0) - _ABSENT_PAIR)
        for column, score in entries:
            scores[column] = max(score, scores[column])
        return _PAIR_WEIGHT * scores

    def han_rarity(self, word: str) -> dict[str, float]:
        """Return how rare a Han word is (nats) in Chinese and Japanese, as far as these are in use and have it."""
        start, end = self._range(word)
        return {
            self._han[int(tag)]: float(rarity) * _RARITY_STEP
            for tag, rarity in zip(self._entry_classes[start:end], self._rarity[start:end], strict=True)
            if int(tag) in self._han
        }

    def _range(self, word: str) -> tuple[int, int]:
        position = _find(self._keys, word)
        if position is None:
            return 0, 0
        return int(self._ends[position - 1]) if position else 0, int(self._ends[position])

    def _entries(self, word: str) -> list[tuple[int, float]]:
        start, end = self._range(word)
        return [
            (self._column[int(tag)], -float(rarity) * _RARITY_STEP)
            for tag, rarity in zip(self._entry_classes[start:end], self._rarity[start:end], strict=True)
            if int(tag) in self._column
        ]

    def _listed(self, entries: list[tuple[int, float]]) -> NDArray[np.float64]:
        scores = np.full(len(self.classes), max(score for _, score in entries) - _ABSENT)
        for column, score in entries:
            scores[column] = score
        scores[self._romanised] = np.maximum(scores[self._romanised], _LEAST_ROMANISED)
        if self._english is not None:
            english = scores[self._english]
            np.logaddexp(scores, english - _ENGLISH_WORD, out=scores)
            scores[self._english] = english
        return scores

    def _spelt(self, word: str) -> tuple[NDArray[np.float64], float]:
        rows = self._spelling[letter_groups(word, len(self._spelling))]
        scores = rows.mean(axis=0) * self._spelling_scale + self._spelling_bias
        scores -= scores.max() + math.log(np.exp(scores - scores.max()).sum())
        languages = scores[:-1]
        capped = np.maximum(languages - languages.max(initial=-math.inf), -_MOST_SPELLING)
        if _ARABIC_DIGIT.search(word):
            capped[self._arabic] += _ARABIC_BY_DIGIT / _SPELLING_WEIGHT
        return _SPELLING_WEIGHT * capped, float(scores[-1])

    def is_name(self, words: str) -> bool:
        """Tell whether a word, or several ("new york"), are a name or nobody's, in small letters."""
        return _find(self._names, words) is not None


def _find(keys: NDArray[np.uint32], word: str) -> int | None:
    number = np.uint32(key(word))
    position = int(keys.searchsorted(number))
    return position if position < len(keys) and keys[position] == number else None
