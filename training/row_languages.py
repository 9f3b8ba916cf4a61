"""Tells which language labelled rows are in: the one they name, unless it is there by chance; else their market's, or
the one that is detected. Reads `markets.yml`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from nlu.language import UNDETERMINED, LanguageDetector
from nlu.markets import load_markets
from training.dataset import Example

LOOKED_AT = 100  # rows of a source, which tell as much as all of them


def in_market_language(examples: Sequence[Example], code: str | None) -> list[Example]:
    """Give rows without a language that of the market, if there is one."""
    believed = _without_chance_names(examples)
    if code is None:
        return believed
    language = load_markets()[code].language
    return [example if example.language else replace(example, language=language) for example in believed]


def in_detected_language(examples: Sequence[Example]) -> list[Example]:
    """Give rows without a language the one that they are written in, where it can be told."""
    detector = LanguageDetector(load_markets().languages)
    return [
        example if example.language else replace(example, language=_detected(detector, example)) for example in examples
    ]


def _without_chance_names(examples: Sequence[Example]) -> list[Example]:
    """Take the language from sources whose words are mostly another's: a folder `ml` need not be Malayalam."""
    groups: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for example in examples:
        if example.language:
            groups[example.source, example.language].append(example)
    wrong = {name for name, rows in groups.items() if _is_contradicted(name[1], rows)}
    return [
        replace(example, language="") if (example.source, example.language) in wrong else example
        for example in examples
    ]


def _is_contradicted(language: str, rows: Sequence[Example]) -> bool:
    """Say whether most rows are in one other language: those of a language that the detector does not know are taken
    for several."""
    detector = LanguageDetector([*load_markets().languages, language])
    some = rows[:: len(rows) // LOOKED_AT + 1]
    found = Counter(_detected(detector, row) for row in some)
    return any(count > len(some) / 2 for code, count in found.items() if code not in (language, ""))


def _detected(detector: LanguageDetector, example: Example) -> str:
    code = detector.detect(example.text).code
    return "" if code == UNDETERMINED else code
