"""Reads and writes the CSV files of `nlu parse` and `training predict`: a row in is a row out, in the same order."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLUMNS = ("pred_language", "pred_intent", "pred_confidence", "pred_oos_score", "pred_sentiment", "pred_market")


class RowsError(ValueError):
    """A CSV file cannot be read; the message names the row."""


@dataclass(frozen=True)
class Row:
    """One row: what is to be understood, and all its columns as they came."""

    text: str
    market: str | None
    hint: str | None
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """A file's rows, and the names of its columns, which are there without a row as well."""

    columns: Sequence[str]
    rows: Sequence[Row]


def read_table(path: Path, markets: Sequence[str]) -> Table:
    """Read `text` and optionally `market` and `language_hint` (may be empty).

    Raises `RowsError` for a missing file or column, text that is not UTF-8, or a market that is not among `markets`.
    """
    csv.field_size_limit(10_000_000)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if "text" not in (reader.fieldnames or ()):
                raise RowsError(f"{path}: the header has no column `text`.")
            rows = [_row(path, number, columns, markets) for number, columns in enumerate(reader, start=2)]
            return Table(reader.fieldnames or (), rows)
    except FileNotFoundError as error:
        raise RowsError(f"{path} does not exist.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RowsError(f"{path} is not a CSV file in UTF-8: {error}") from error


def _row(path: Path, number: int, columns: dict[str, str], markets: Sequence[str]) -> Row:
    columns = {name: value or "" for name, value in columns.items() if name is not None}
    market = columns.get("market", "").strip() or None
    if market is not None and market not in markets:
        raise RowsError(f"{path}, row {number}: there is no market {market!r}; there are {', '.join(markets)}.")
    return Row(columns["text"], market, columns.get("language_hint", "").strip() or None, columns)


def write_table(path: Path, table: Table, answers: Sequence[Mapping[str, Any]], added: Sequence[str]) -> None:
    """Write each row's own columns and the `added` ones of its answer; a missing answer is written empty."""
    own = [name for name in table.columns if name not in added]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*own, *added], extrasaction="ignore", restval="")
        writer.writeheader()
        for row, answer in zip(table.rows, answers, strict=True):
            writer.writerow({**row.columns, **answer})
