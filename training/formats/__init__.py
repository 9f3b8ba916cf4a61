"""Readers of archives, one format a file. Each gives `Talk`s and says of broken records which and why.

A reader streams: it holds one conversation, or one row, whatever the length of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from training.store import TranscriptMessage

FORMATS = ("chatwoot", "zendesk", "rasa", "csv", "jsonl", "own")
YES = frozenset({"true", "yes", "y", "1", "given", "granted", "agreed", "opt-in", "optin", "accepted", "on"})
NO = frozenset({"false", "no", "n", "0", "refused", "denied", "declined", "withdrawn", "opt-out", "optout", "off"})
CONSENT_NAMES = ("consent", "training_consent", "consent_given", "consent_to_training", "gdpr_consent")
# Seconds of the year 5138; what is larger counts milliseconds.
MILLISECONDS_FROM = 10**11
LONGEST_NAME = 100  # characters


class ArchiveError(ValueError):
    """A file cannot be taken in at all; the message says why."""


class BrokenRecordError(ValueError):
    """A record cannot be used; the message says why, and repeats nothing that a customer wrote."""


@dataclass(frozen=True)
class Talk:
    """Messages of one conversation that an archive gives in one piece; a row of a CSV is a piece of one message.

    `consent` is True or False where the archive states it, None where it says nothing.
    """

    conversation: str
    consent: bool | None
    messages: tuple[TranscriptMessage, ...]


@dataclass(frozen=True)
class Rejected:
    """A record that was left out: its line or its number in the file, from 1, and why."""

    record: int
    reason: str


Record = Talk | Rejected


def read_consent(value: Any) -> bool | None:
    """Read a statement of consent however it is written; None for anything that is neither a yes nor a no."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if value is not None else ""
    return True if word in YES else False if word in NO else None


def consent_in(values: Any) -> bool | None:
    """Look for a statement of consent under its usual names."""
    if not isinstance(values, dict):
        return None
    stated = [read_consent(values[name]) for name in CONSENT_NAMES if name in values]
    return next((value for value in stated if value is not None), None)


def last_word(statements: list[bool | None]) -> bool | None:
    """Return the last statement that says something: consent may be withdrawn, and given again."""
    return next((value for value in reversed(statements) if value is not None), None)


def read_moment(value: Any) -> datetime | None:
    """Read seconds or milliseconds since 1970, or ISO 8601 (UTC where it names no zone); None for nothing.

    Raises `BrokenRecordError` for what is no moment.
    """
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return _from_iso(str(value))
    except OverflowError as error:
        raise BrokenRecordError("the time is out of range") from error
    try:
        return datetime.fromtimestamp(number / 1000 if abs(number) >= MILLISECONDS_FROM else number, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BrokenRecordError("the time is out of range") from error


def text_of(value: Any) -> str:
    """Return a message's text; raises `BrokenRecordError` for what is none."""
    if not isinstance(value, str):
        raise BrokenRecordError("a message's text is not a string")
    if "\x00" in value:
        raise BrokenRecordError("a message has a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BrokenRecordError("a message is not valid Unicode") from error
    return value.strip()


def name_of(value: Any, what: str) -> str | None:
    """Return the name of a label or of a person; None for nothing, `BrokenRecordError` for what cannot be a name."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST_NAME:
        raise BrokenRecordError(f"the {what} is not a name of at most {LONGEST_NAME} characters")
    return value.strip() or None


def fields_of(value: Any, what: str) -> dict[str, Any]:
    """Return a JSON object; raises `BrokenRecordError` for anything else."""
    if not isinstance(value, dict):
        raise BrokenRecordError(f"{what} is not an object")
    return value


def _from_iso(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value.strip().replace(" UTC", "+00:00"))
    except ValueError as error:
        raise BrokenRecordError("the time is neither ISO 8601 nor a number") from error
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise BrokenRecordError("the time is out of range") from error


def is_blank(file: BinaryIO) -> bool:
    """Whether a file has nothing in it; leaves it at its beginning."""
    beginning = file.read(4096)
    file.seek(0)
    return not beginning.strip()
