"""The history of a name's releases, a line an event, and what follows from it. Touches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from nlu.releases import SHIPPED

Action = Literal["promote", "rollback", "refuse"]


@dataclass(frozen=True)
class Event:
    """One line of the history: who moved the pointer of a name, or had a candidate refused, and why.

    `keeps_labels` says of a rollback that what it took back may be learned again.
    """

    at: str
    by: str
    action: Action
    release: int
    before: int
    version: str
    why: str = ""
    keeps_labels: bool = False


def read_event(line: bytes) -> Event | None:
    """Read a line of a history; None for one that is not whole, to its end."""
    try:
        return msgspec.json.decode(line, type=Event) if line.endswith(b"\n") else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def ancestry(history: Sequence[Event], number: int) -> list[int]:
    """Return a release and those that it replaced, the youngest first, without the shipped one."""
    replaced = {event.release: event.before for event in history if event.action == "promote"}
    found: list[int] = []
    while number != SHIPPED:
        found.append(number)
        number = replaced.get(number, SHIPPED)
    return found


def with_labels_kept(history: Sequence[Event]) -> set[int]:
    """Return the releases that were last taken back with their labels kept."""
    found: set[int] = set()
    for event in history:
        if event.action == "rollback":
            left = set(ancestry(history, event.before)) - set(ancestry(history, event.release))
            found = found | left if event.keeps_labels else found - left
    return found
