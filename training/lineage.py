"""What a release learned from, as its folder keeps it, and what of it can be trusted. Ids and moments, no messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import msgspec

from nlu.releases import LINEAGE, DamagedReleaseError


@dataclass(frozen=True)
class Lineage:
    """What a release learned from: ids of transcripts, also of those that the release it began from had learned from,
    and its own rows by source. `until` is when the last label was given, `judging` are the ids of the messages that its
    training kept back for the gate; None for a training that knows none of ours.
    """

    transcripts: tuple[int, ...] = ()
    sources: Mapping[str, int] = field(default_factory=dict)
    until: datetime | None = None
    judging: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Trusted:
    """What the release that serves, and those that it replaced, learned from: `transcripts`, with the labels given by
    `until`. `taken_back` are the batches of the other releases: labels given after the one moment, up to the other.
    """

    transcripts: frozenset[int] = frozenset()
    until: datetime | None = None
    taken_back: tuple[tuple[datetime | None, datetime], ...] = ()

    def was_checked(self, labelled_at: datetime) -> bool:
        """Say whether a label was there when the gate let pass what serves now."""
        return self.until is not None and labelled_at <= self.until

    def has_learned(self, transcript: int, labelled_at: datetime) -> bool:
        """Say whether what serves learned from a message of the transcript that was labelled then."""
        return transcript in self.transcripts and self.was_checked(labelled_at)

    def was_taken_back(self, transcript: int, labelled_at: datetime) -> bool:
        """Say whether a message was labelled for releases that were taken back, and for no other; a label that
        somebody gives it later is of a later batch."""
        if self.has_learned(transcript, labelled_at):
            return False
        return any((after is None or labelled_at > after) and labelled_at <= until for after, until in self.taken_back)


def read_lineage(path: Path) -> Lineage:
    """Read a release's or an adapter's lineage. Raises `DamagedReleaseError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Lineage)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedReleaseError(f"{path} cannot be read: {error}") from error


def write_lineage(adapter: Path, lineage: Lineage) -> None:
    """Write what an adapter learned from into its folder."""
    tidy = replace(lineage, transcripts=tuple(sorted(set(lineage.transcripts))))
    (adapter / LINEAGE).write_bytes(msgspec.json.encode(tidy) + b"\n")
