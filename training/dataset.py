"""Reads labelled examples (CSV, Rasa NLU YAML, folders of either) and splits them. Touches only files it is given."""

from __future__ import annotations

import csv
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from babel import Locale
from numpy.typing import NDArray

OUT_OF_SCOPE = "out_of_scope"
SENTIMENTS = ("negative", "neutral", "positive")
ENTITY_ANNOTATION = re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\{[^}]*\})")
LANGUAGE_NAME = re.compile(r"([a-z]{2})(?:[-_][A-Z]{2})?")


class DatasetError(ValueError):
    """A file cannot be used for training; the message says where and why."""


@dataclass(frozen=True)
class Example:
    """One labelled message. `intent` or `sentiment` may be None (not labelled); `language` is ISO 639-1 or ""."""

    text: str
    intent: str | None = None
    sentiment: str | None = None
    language: str = ""
    source: str = ""


def read_examples(paths: Iterable[Path]) -> list[Example]:
    """Read all examples of the files and folders given, in order; exact duplicates are kept once.

    A file's language is its name or its folder's, where all of it is a language code or a locale
    (`examples/de.yml`, `umsab/de/`, `pt_BR.csv`). Raises `DatasetError` naming file and row for anything that cannot be
    read, or when there is nothing at all.
    """
    paths = list(paths)
    examples = list(dict.fromkeys(example for path in paths for example in _read_path(path)))
    if not examples:
        raise DatasetError(f"No examples in {', '.join(map(str, paths)) or 'nothing'}.")
    return examples


def _read_path(path: Path) -> Iterator[Example]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".csv", ".yml", ".yaml"))
        for file in files:
            yield from _read_path(file)
        return
    if not path.exists():
        raise DatasetError(f"{path} does not exist.")
    reader = {".csv": _read_csv, ".yml": _read_yaml, ".yaml": _read_yaml}.get(path.suffix)
    if reader is None:
        raise DatasetError(f"{path}: expected a .csv or a Rasa NLU .yml file, or a folder of them.")
    try:
        yield from reader(path, _language_of(path))
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8: {error}") from error
    except csv.Error as error:
        raise DatasetError(f"{path} is not CSV: {error}") from error


def _language_of(path: Path) -> str:
    for name in (path.stem, path.parent.name):
        named = LANGUAGE_NAME.fullmatch(name)
        if named and named[1] in Locale("en").languages:
            return named[1]
    return ""


def _read_csv(path: Path, language: str) -> Iterator[Example]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        if "text" not in columns or not columns & {"intent", "sentiment"}:
            raise DatasetError(f"{path}: the header needs `text` and `intent` or `sentiment`; has {sorted(columns)}.")
        for number, row in enumerate(reader, start=2):
            labels = ((row.get("intent") or "").strip() or None, (row.get("sentiment") or "").strip() or None)
            yield _example(path, number, row["text"], *labels, row.get("language") or language)


def _read_yaml(path: Path, language: str) -> Iterator[Example]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        blocks = [block for block in content["nlu"] if "intent" in block]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is not Rasa NLU YAML: {error}") from error
    for number, block in enumerate(blocks, start=1):
        intent = str(block["intent"])
        for text, metadata in _block_texts(path, block):
            sentiment = {**(block.get("metadata") or {}), **metadata}.get("sentiment")
            yield _example(path, number, ENTITY_ANNOTATION.sub(r"\1", text), intent, sentiment, language)


def _block_texts(path: Path, block: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    examples = block.get("examples", "")
    if isinstance(examples, str):
        for line in examples.splitlines():
            if line.strip():
                yield line.strip().removeprefix("-").strip(), {}
        return
    for entry in examples:
        if not isinstance(entry, dict) or "text" not in entry:
            raise DatasetError(f"{path}, intent {block['intent']}: an example is neither a line nor has `text`.")
        yield str(entry["text"]).strip().removeprefix("- ").strip(), entry.get("metadata") or {}


def _example(
    path: Path, row: int, text: str | None, intent: str | None, sentiment: str | None, language: str
) -> Example:
    if not text or not text.strip():
        raise DatasetError(f"{path}, row {row}: the text is empty.")
    if sentiment is not None and sentiment not in SENTIMENTS:
        raise DatasetError(f"{path}, row {row}: sentiment {sentiment!r} is none of {', '.join(SENTIMENTS)}.")
    if intent is None and sentiment is None:
        raise DatasetError(f"{path}, row {row}: neither intent nor sentiment.")
    return Example(text.strip(), intent, sentiment, language, path.stem)


def labels_of(examples: Sequence[Example]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the intents (without out-of-scope) and sentiments that occur, sorted."""
    intents = {example.intent for example in examples if example.intent and example.intent != OUT_OF_SCOPE}
    sentiments = {example.sentiment for example in examples if example.sentiment}
    return tuple(sorted(intents)), tuple(label for label in SENTIMENTS if label in sentiments)


def intents_of(examples: Sequence[Example]) -> NDArray[np.str_]:
    """Return each row's intent [N], "" where it has none."""
    return np.array([example.intent or "" for example in examples], dtype=np.str_)


def has_out_of_scope(examples: Sequence[Example]) -> bool:
    """Say whether any row is labelled out-of-scope."""
    return any(example.intent == OUT_OF_SCOPE for example in examples)


def first_of_each_intent(examples: Sequence[Example], at_most: int) -> list[Example]:
    """Return the first rows of each intent, in their order."""
    kept: Counter[str | None] = Counter()
    chosen = []
    for example in examples:
        kept[example.intent] += 1
        if kept[example.intent] <= at_most:
            chosen.append(example)
    return chosen


def split(examples: Sequence[Example], *, share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Split into training and validation rows, `share` of each (language, intent, sentiment) group held back.

    A group keeps at least two thirds of its rows for training; groups of one or two are not split.
    """
    groups: dict[tuple[str, str | None, str | None], list[Example]] = defaultdict(list)
    for example in examples:
        groups[example.language, example.intent, example.sentiment].append(example)
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    training: list[Example] = []
    validation: list[Example] = []
    for group in groups.values():
        rows = list(group)
        chance.shuffle(rows)
        wanted = len(rows) * share
        held = int(wanted) + (chance.random() < wanted - int(wanted))
        held = min(held, len(rows) // 3)
        validation += rows[:held]
        training += rows[held:]
    return training, validation
