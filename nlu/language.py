"""Finds the language of a message among the languages in use, or says that it has none ("und").

Script first; for Latin letters the words (`language_model`), then langdetect where these leave it open. The languages
of conversation, client and market are weak priors. Reads the model's file and langdetect's profiles, once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import langdetect
import numpy as np
from babel.core import get_global, parse_locale
from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

from nlu.language_model import ROMANISED, LanguageModel, WordEvidence
from nlu.language_request import LanguageRequests
from nlu.language_text import latin_words, readable, scripts

UNDETERMINED = "und"

_DENSITY = {"Hani": 3, "Kana": 2, "Kore": 2}
"""Latin letters that say as much as one of these; the others count as one."""
_SHARE = 0.3
"""From this share of the letters on, another script than Latin decides: customers mix Latin words into it."""
_DECIDED = 0.5
"""Nats between the first two languages from which on langdetect is not asked."""
_LANGDETECT_WEIGHT = 0.2
_LANGDETECT_FLOOR = 0.02
_PRIORS = {"conversation": 2.0, "hint": 1.5, "market": 1.0}
_ROMANISED_PRIOR = -0.8
"""Nats: before a word is read, Hindi or Arabic is less likely than others to be meant by Latin letters."""
_NEAR = 3.0
"""A word shared by two languages is the prior's if that is at most this many nats behind."""
_ENOUGH_ALONE = 1.3
_ENOUGH = 0.1
"""Nats that the first language needs before the second, if one word says something, and if more do."""
_ENOUGH_UNKNOWN = 1.2
_MOST_NOBODYS = math.log(0.5)
_LONGEST_NAME = 4
"""Words."""
_JAPANESE = 3.0
"""Nats by which Han words must be more Japanese than Chinese where no kana stands with them."""
_LONGEST_HAN_WORD = 4
"""Characters; of the whole message, `_HAN_READ` are looked at."""
_HAN_READ = 60
_RAREST_HAN = 10.0
_UNLISTED_HAN = 7.0
"""Nats: a Han word that a language lacks is this much rarer there than in the other, or than the rarest."""
_PROFILES = {"zh": ("zh-cn", "zh-tw"), "nb": ("no",)}


@dataclass(frozen=True)
class DetectedLanguage:
    """`code` is ISO 639-1, or "und"; `confidence` 0 to 1, 0.0 for "und"."""

    code: str
    confidence: float


NOBODYS = DetectedLanguage(UNDETERMINED, 0.0)


class LanguageDetector:
    """Detects among `languages` (ISO 639-1). The same text gives the same answer, always; `seed` is langdetect's."""

    def __init__(self, languages: Sequence[str], *, seed: int = 0) -> None:
        self.languages = tuple(dict.fromkeys(languages))
        self._by_script = _by_script(self.languages)
        latin = (*self._by_script.get("Latn", ()), *(code for code in self.languages if code in ROMANISED))
        self._model = LanguageModel(self.languages)
        self._codes = tuple(tag.split("-")[0] for tag in self._model.classes)
        self._unmodelled = frozenset(latin) - frozenset(self._codes)
        self._langdetect = restricted_langdetect(self.languages, seed)
        self._requests = LanguageRequests(self.languages)

    def detect(
        self, text: str, *, conversation: str | None = None, hint: str | None = None, market: str | None = None
    ) -> DetectedLanguage:
        """Return the language of `text`.

        `conversation`, `hint` and `market` are the languages of the conversation so far, of the client and of the
        market; they settle what the words leave open and nothing more. A message that asks for a language has that one.
        """
        if text.startswith("/"):
            return NOBODYS
        wanted = self.wanted(text)
        if wanted:
            return DetectedLanguage(wanted, 1.0)
        text = readable(text)
        priors: dict[str, float] = {}
        for name, code in (("conversation", conversation), ("hint", hint), ("market", market)):
            if code in self.languages:
                priors[code] = priors.get(code, 0.0) + _PRIORS[name]
        script = _leading_script(scripts(text))
        if script == "Latn":
            return self._latin(text, priors)
        if script in ("Hani", "Kana"):
            return self._han_and_kana(text, script, priors)
        candidates = self._by_script.get(script, ())
        return self._one_of(candidates, text, priors)

    def wanted(self, text: str) -> str | None:
        """Return the language that a short message asks for ("Can we speak English?"); None if it asks for none."""
        return self._requests.wanted(text)

    def _latin(self, text: str, priors: dict[str, float]) -> DetectedLanguage:
        words = latin_words(text)
        evidence = [self._model.evidence(word) for word in words] if self._codes else []
        telling = [found for found in evidence if not found.name]
        if self._codes and (not telling or self._is_name(words, evidence)):
            return NOBODYS
        if self._unmodelled and (foreign := self._unmodelled_language(text, telling)):
            return foreign
        if not telling or (len(words) == 1 and len(words[0]) == 1):
            return NOBODYS
        totals = self._totals(words, evidence)
        if _lead(totals) < _DECIDED and not (len(telling) == 1 and telling[0].known):
            self._add_langdetect(totals, text)
        shared = {code for code, total in totals.items() if total >= max(totals.values()) - _NEAR}
        # One word is seldom a change of language: "hi" and "bye" are Hindi's and Arabic's, too.
        times = 2 if len(words) == 1 else 1
        for code, weight in priors.items():
            if code in totals:
                totals[code] += times * weight
        best = max(totals, key=totals.__getitem__)
        if _lead(totals) >= _enough(telling):
            return DetectedLanguage(best, _confidence(totals))
        likely = next((code for code in priors if code in shared), None)
        if likely and any(found.known for found in telling):
            return DetectedLanguage(likely, 0.5)
        return NOBODYS

    def _is_name(self, words: list[str], evidence: list[WordEvidence]) -> bool:
        """Tell whether the whole message is a name: "New York", or "Hans Zimmermann", of which the lists have half."""
        if len(words) > _LONGEST_NAME:
            return False
        if self._model.is_name(" ".join(words).lower()):
            return True
        capitals = len(words) > 1 and all(word[0].isupper() for word in words)
        names = [found.name for found in evidence]
        return capitals and any(names) and not any(found.known and not found.name for found in evidence)

    def _totals(self, words: list[str], evidence: list[WordEvidence]) -> dict[str, float]:
        """Add up what words and pairs of words say; a name in small letters may be a word and counts half."""
        scores = np.zeros(len(self._codes))
        for word, found in zip(words, evidence, strict=True):
            if not found.name or (found.known and word.islower()):
                scores += found.scores * (0.5 if found.name else 1.0)
        for first, second in pairwise(words):
            scores += self._model.pair(first, second)
        return {
            code: float(score) + (_ROMANISED_PRIOR if code in ROMANISED else 0.0)
            for code, score in zip(self._codes, scores, strict=True)
        }

    def _add_langdetect(self, totals: dict[str, float], text: str) -> None:
        """Add what langdetect says; it knows nothing of Hindi and Arabic in Latin letters, which get the mean."""
        probabilities = self._probabilities(text)
        if not probabilities:
            return
        said = {
            code: _LANGDETECT_WEIGHT * math.log(probabilities.get(code, 0.0) + _LANGDETECT_FLOOR)
            for code in totals
            if code not in ROMANISED
        }
        mean = sum(said.values()) / len(said) if said else 0.0
        for code in totals:
            totals[code] += said.get(code, mean)

    def _unmodelled_language(self, text: str, telling: list[WordEvidence]) -> DetectedLanguage | None:
        """Believe langdetect in a language that the model lacks, if the words are not those of one that it has."""
        if sum(found.known for found in telling) * 2 > len(telling):
            return None
        probabilities = self._probabilities(text)
        code = max(probabilities, key=probabilities.__getitem__, default="")
        if code in self._unmodelled and probabilities[code] >= 0.9:
            return DetectedLanguage(code, probabilities[code])
        return None

    def _han_and_kana(self, text: str, script: str, priors: dict[str, float]) -> DetectedLanguage:
        candidates = [code for code in ("zh", "ja") if code in self.languages]
        if "Kana" in scripts(text):
            candidates = ["ja"] if "ja" in candidates else []
        elif len(candidates) == 2:
            lean = self._japanese_lean(text) + priors.get("ja", 0.0) - priors.get("zh", 0.0)
            candidates = ["ja" if lean >= _JAPANESE else "zh"]
        return DetectedLanguage(candidates[0], 0.99) if candidates else NOBODYS

    def _japanese_lean(self, text: str) -> float:
        """Return the nats by which Han is Japanese rather than Chinese, cut into each one's likeliest words."""
        least = [(0.0, 0.0)]  # up to each character: as Chinese, as Japanese
        for end in range(1, min(len(text), _HAN_READ) + 1):
            ways = []
            for start in range(max(0, end - _LONGEST_HAN_WORD), end):
                rarity = self._model.han_rarity(text[start:end])
                if rarity or start == end - 1:
                    unlisted = min(rarity.values(), default=_RAREST_HAN) + _UNLISTED_HAN
                    chinese, japanese = least[start]
                    ways.append((chinese + rarity.get("zh", unlisted), japanese + rarity.get("ja", unlisted)))
            least.append((min(way[0] for way in ways), min(way[1] for way in ways)))
        return least[-1][0] - least[-1][1]

    def _one_of(self, candidates: Sequence[str], text: str, priors: dict[str, float]) -> DetectedLanguage:
        """Choose among the languages in use that share a script other than Latin."""
        if len(candidates) < 2:
            return DetectedLanguage(candidates[0], 0.99) if candidates else NOBODYS
        probabilities = self._probabilities(text)
        totals = {
            code: math.log(probabilities.get(code, 0.0) + _LANGDETECT_FLOOR) + priors.get(code, 0.0)
            for code in candidates
        }
        return DetectedLanguage(max(totals, key=totals.__getitem__), _confidence(totals))

    def _probabilities(self, text: str) -> dict[str, float]:
        """Return langdetect's probabilities; those below 0.1 it leaves out, and all where it finds no letters."""
        if self._langdetect is None:
            return {}
        detector = self._langdetect.create()
        detector.append(text.lower())  # it skips words in capitals
        try:
            found = detector.get_probabilities()
        except LangDetectException:
            return {}
        probabilities: dict[str, float] = {}
        for language in found:
            code = {"zh-cn": "zh", "zh-tw": "zh", "no": "nb"}.get(language.lang, language.lang)
            probabilities[code] = probabilities.get(code, 0.0) + float(language.prob)
        return probabilities


def _leading_script(counts: dict[str, int]) -> str:
    """Return the script that decides: another than Latin from `_SHARE` of the letters on; "" without letters."""
    weighted = {script: count * _DENSITY.get(script, 1) for script, count in counts.items()}
    others = {script: weight for script, weight in weighted.items() if script != "Latn"}
    if others and sum(others.values()) >= _SHARE * sum(weighted.values()):
        return max(others, key=others.__getitem__)
    return "Latn" if "Latn" in weighted else ""


def _by_script(languages: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Group languages by the script that CLDR finds likely for them; Chinese and Japanese are treated apart."""
    likely = get_global("likely_subtags")
    groups: dict[str, tuple[str, ...]] = {}
    for code in languages:
        script = parse_locale(likely.get(code, f"{code}_Latn"))[2] or "Latn"
        groups[script] = (*groups.get(script, ()), code)
    return groups


def restricted_langdetect(languages: Sequence[str], seed: int) -> DetectorFactory | None:
    """Return langdetect with only the profiles of `languages`, seeded; None if it has fewer than two of them."""
    folder = Path(langdetect.__file__).with_name("profiles")
    names = [name for code in languages for name in _PROFILES.get(code, (code,))]
    profiles = [(folder / name).read_text(encoding="utf-8") for name in names if (folder / name).is_file()]
    if len(profiles) < 2:
        return None
    factory = DetectorFactory()
    factory.set_seed(seed)
    factory.load_json_profile([json.dumps(json.loads(profile)) for profile in profiles])
    return factory


def _enough(telling: list[WordEvidence]) -> float:
    if not any(found.known for found in telling) and len(telling) == 1:
        return math.inf if telling[0].nobodys > _MOST_NOBODYS else _ENOUGH_UNKNOWN
    return _ENOUGH_ALONE if len(telling) == 1 else _ENOUGH


def _lead(totals: dict[str, float]) -> float:
    """Return the nats between the first and the second."""
    first, *others = sorted(totals.values(), reverse=True)
    return first - others[0] if others else math.inf


def _confidence(totals: dict[str, float]) -> float:
    most = max(totals.values())
    return 1.0 / sum(math.exp(total - most) for total in totals.values())
