"""Reads the records of a JSON file one by one: a list, a list inside an object, one object, or JSON lines.

Holds one record at a time. Touches the file that it is given.
"""

from __future__ import annotations

import json
import math
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, BinaryIO

import ijson  # type: ignore[import-untyped]

from training.formats import ArchiveError, BrokenRecordError, Record, Rejected, Talk, fields_of, is_blank

LONGEST_LINE = 32 * 2**20
# A longer first line may be the whole of a JSON without line ends: it is not read at once, but value by value.
LONGEST_FIRST_LINE, BEGINNING = 2**20, 64
Numbered = tuple[int, Any]


def read_records(file: BinaryIO, *, lists: Sequence[str]) -> Iterator[Numbered | Rejected]:
    """Give the file's records with their numbers, from 1 (of lines: the line's).

    `lists` are the paths under which an object may hold its records, such as `payload` or `data.payload`; an object
    that has none of them is a record itself.
    """
    if is_blank(file):
        raise ArchiveError("The file is empty.")
    if _is_lines(file):
        yield from read_lines(file)
        return
    path = _path(file, lists)
    _to_beginning(file)
    number = 0
    try:
        for number, record in enumerate(ijson.items(file, path, use_float=True, multiple_values=True), start=1):
            yield number, record
    except (ijson.JSONError, UnicodeDecodeError) as error:
        if number == 0:
            raise ArchiveError(f"The file is not JSON: {_reason(error)}.") from error
        yield Rejected(number + 1, f"the file cannot be read from here on: {_reason(error)}")


def read_talks(
    file: BinaryIO, read_talk: Callable[[dict[str, Any]], Talk], *, lists: Sequence[str]
) -> Iterator[Record]:
    """Give the file's records as `read_talk` understands them; one that it cannot read is rejected, with its reason."""
    for record in read_records(file, lists=lists):
        if isinstance(record, Rejected):
            yield record
            continue
        number, fields = record
        try:
            yield read_talk(fields_of(fields, "the record"))
        except BrokenRecordError as error:
            yield Rejected(number, str(error))


def read_lines(file: BinaryIO) -> Iterator[Numbered | Rejected]:
    """Give the records of JSON lines; a broken line is told, the next is read."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            yield Rejected(number, f"the line is longer than {LONGEST_LINE // 2**20} MB")
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST_LINE)
            continue
        if not line.strip():
            continue
        try:
            yield number, json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError:
            yield Rejected(number, "the line is not UTF-8")
        except (ValueError, RecursionError) as error:
            yield Rejected(number, f"the line is not JSON: {_reason(error)}")


def plain_number(value: Any) -> str:
    """Return an id as text, whether the archive writes it as a number or a string; empty for what is neither."""
    if value is None or isinstance(value, bool | dict | list):
        return ""
    if not isinstance(value, Decimal | float):
        return str(value)
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value == int(value) else str(value)


def _is_lines(file: BinaryIO) -> bool:
    """Whether each line is a record: the first is a whole object, and another one follows."""
    first = file.readline(LONGEST_FIRST_LINE)
    second = file.readline(BEGINNING)
    file.seek(0)
    if not first.endswith(b"\n") or not first[:BEGINNING].removeprefix(BOM_UTF8).lstrip(b" \t").startswith(b"{"):
        return False
    try:
        json.loads(first.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        # A broken first line of JSON lines has others behind it that begin anew.
        return second.startswith(b"{")
    return second.strip().startswith(b"{")


def _path(file: BinaryIO, lists: Sequence[str]) -> str:
    """Return ijson's path to the records: looks for the first of the lists that the file's beginning opens."""
    wanted = set(lists)
    _to_beginning(file)
    try:
        for prefix, event, _ in ijson.parse(file):
            if not prefix and event == "start_array":
                return "item"
            if event == "start_array" and prefix in wanted:
                return f"{prefix}.item"
    except (ijson.JSONError, UnicodeDecodeError):
        pass
    return ""


def _to_beginning(file: BinaryIO) -> None:
    """Go back to where the JSON begins: behind the mark that Windows puts in front."""
    file.seek(0)
    if file.read(len(BOM_UTF8)) != BOM_UTF8:
        file.seek(0)


def _reason(error: Exception) -> str:
    return str(error).removeprefix("b'").splitlines()[0].split(":")[0].strip()[:80] or type(error).__name__
