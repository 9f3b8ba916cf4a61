"""Reads CSV and JSON lines with one message a row. The columns' names are those that exports use most.

A CSV's fields may be separated by commas, semicolons or tabs, and it may be in UTF-16, as spreadsheets save it.

conversation,speaker,text,at,consent
c-17,customer,where is my parcel,2026-05-04T09:12:00Z,yes
c-17,agent,it left us on Monday,2026-05-04T09:13:00Z,
"""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, BinaryIO

from training.dataset import SENTIMENTS
from training.formats import (
    ArchiveError,
    BrokenRecordError,
    Record,
    Rejected,
    Talk,
    consent_in,
    is_blank,
    name_of,
    read_moment,
    text_of,
)
from training.formats.json_records import plain_number, read_lines
from training.store import TranscriptMessage
from training.tables import AGENT, BOT, CUSTOMER

COLUMNS = {
    "conversation": ("conversation", "conversation_id", "session_id", "ticket_id", "thread_id", "chat_id", "sender_id"),
    "text": ("text", "message", "body", "content"),
    "speaker": ("speaker", "role", "author", "author_type", "sender_type", "from", "direction", "sender"),
    "at": ("at", "timestamp", "created_at", "time", "date", "sent_at"),
    "customer": ("customer", "customer_id", "user_id", "contact_id", "requester_id"),
    "key": ("message_id", "id", "uuid"),
    "language": ("language", "lang"),
    "intent": ("intent",),
    "sentiment": ("sentiment",),
    "labeller": ("labeller", "labeler", "annotator"),
}
SPEAKERS = {
    CUSTOMER: (
        "customer",
        "user",
        "visitor",
        "contact",
        "client",
        "incoming",
        "inbound",
        "in",
        "end-user",
        "requester",
    ),
    BOT: ("bot", "assistant", "system", "trigger", "automation"),
    AGENT: ("agent", "human", "operator", "staff", "support", "outgoing", "outbound", "out", "admin"),
}
SPEAKER_OF = {word: speaker for speaker, words in SPEAKERS.items() for word in words}
LONGEST_FIELD = 2**20
DELIMITERS = (",", ";", "\t")


def read_csv(file: BinaryIO) -> Iterator[Record]:
    """Give a CSV's rows; a row's number is that of the line on which it begins."""
    if is_blank(file):
        raise ArchiveError("The file is empty.")
    csv.field_size_limit(LONGEST_FIELD)
    lines = _decoded(file)
    first = lines.readline()
    # Strict: a quotation mark that is never closed would make one message of all the rows behind it.
    reader = csv.DictReader(
        chain([first], lines), delimiter=_delimiter(first), restkey="", restval=None, strict=True
    )
    try:
        header = set(map(str.strip, reader.fieldnames or ()))
    except csv.Error as error:
        raise ArchiveError(f"The header is not CSV: {error}.") from error
    if "\0" in first:
        raise ArchiveError("The header has NUL characters: save the file as UTF-8, or as UTF-16 with its mark.")
    if not header & set(COLUMNS["text"]):
        raise ArchiveError(
            f"The header has no column {' or '.join(COLUMNS['text'])} between commas, semicolons or tabs."
        )
    try:
        while True:
            line = reader.reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                last = reader.reader.line_num
                lost = f"; lines {line} to {last} are lost" if last > line else ""
                yield Rejected(line, f"not CSV: {error}{lost}")
                continue
            except UnicodeDecodeError:
                yield Rejected(line, "the file breaks off in the middle of a character")
                return
            yield _checked(line, row)
    finally:
        lines.detach()


def read_jsonl(file: BinaryIO) -> Iterator[Record]:
    """Give the rows of JSON lines; a row's number is its line."""
    if is_blank(file):
        raise ArchiveError("The file is empty.")
    for record in read_lines(file):
        if isinstance(record, Rejected):
            yield record
            continue
        number, row = record
        yield _checked(number, row) if isinstance(row, dict) else Rejected(number, "the line is not an object")


def _decoded(file: BinaryIO) -> io.TextIOWrapper:
    """Read a file as text. What is not valid in its encoding comes through as surrogates: only its row is lost."""
    mark = file.read(2)
    file.seek(0)
    if mark in (BOM_UTF16_LE, BOM_UTF16_BE):
        return io.TextIOWrapper(file, encoding="utf-16", errors="surrogatepass", newline="")
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _delimiter(header: str) -> str:
    """Return what separates the fields: that between which the header has a column for the text, else the comma."""
    for delimiter in DELIMITERS:
        try:
            names = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            continue
        if set(map(str.strip, names)) & set(COLUMNS["text"]):
            return delimiter
    return DELIMITERS[0]


def _checked(number: int, row: Mapping[str, Any]) -> Record:
    try:
        return _talk(number, row)
    except BrokenRecordError as error:
        return Rejected(number, str(error))


def _talk(number: int, row: Mapping[str, Any]) -> Talk:
    if "" in row:
        raise BrokenRecordError("the row has more fields than the header")
    if any(value is None for value in row.values()) and isinstance(row, dict) and not row.get("text", ""):
        raise BrokenRecordError("the row has fewer fields than the header")
    named = {str(name).strip().lower(): value for name, value in row.items()}
    values = {field: _first(named, names) for field, names in COLUMNS.items()}
    text = text_of("" if values["text"] is None else values["text"])
    if not text:
        raise BrokenRecordError("the text is empty")
    moment = read_moment(values["at"])
    key = plain_number(values["key"])
    conversation = plain_number(values["conversation"]) or key or f"row of {moment} {text}"
    sentiment = name_of(values["sentiment"], "sentiment")
    if sentiment is not None and sentiment not in SENTIMENTS:
        raise BrokenRecordError(f"the sentiment is none of {', '.join(SENTIMENTS)}")
    speaker = _speaker(values["speaker"])
    message = TranscriptMessage(
        conversation=conversation,
        key=f"id {key}" if key else f"{moment} {speaker} {text}",
        speaker=speaker,
        text=text,
        customer=plain_number(values["customer"]),
        at=moment,
        language=name_of(values["language"], "language"),
        label_intent=name_of(values["intent"], "intent"),
        label_sentiment=sentiment,
        labeller=name_of(plain_number(values["labeller"]), "labeller") or "file",
    )
    return Talk(conversation, consent_in(named), (message,))


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _speaker(value: Any) -> str:
    """Read who speaks; a row that does not say is the customer's."""
    if value is None:
        return CUSTOMER
    speaker = SPEAKER_OF.get(str(value).strip().lower())
    if speaker is None:
        raise BrokenRecordError("the speaker is neither customer, bot nor agent")
    return speaker
