"""Keeps releases: numbers, signs and publishes them, moves the pointer to the one that serves, remembers who did what.

The layout and the reading side are `nlu/releases.py`'s. Touches the releases' folder and, to sign, the key.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from filelock import FileLock

from nlu.adapters import MANIFEST, DamagedAdapterError, Manifest, sha256
from nlu.export import write_served
from nlu.heads import Heads
from nlu.releases import (
    HISTORY,
    LINEAGE,
    POINTER,
    RELEASE,
    SERVED,
    SHIPPED,
    SIGNATURE,
    DamagedReleaseError,
    Pointer,
    Release,
    read_pointer,
    read_public_key,
    read_release,
    releases_folder,
)
from training.disk import append_durably, sync_files, sync_folder, write_durably
from training.history import Action, Event, ancestry, read_event, with_labels_kept
from training.lineage import Lineage, Trusted, read_lineage, write_lineage
from training.outcomes import UnknownReleaseError
from training.signing import signing_key

DAMAGED_LINES = "history.damaged"
METRICS = "metrics.json"
CARD = "README.md"
STAGED = ".staged-"
ABANDONED_AFTER = 24 * 3600  # seconds; a promotion takes minutes


class Releases:
    """The releases below one folder, for adapters of the encoder with the given fingerprint."""

    def __init__(self, encoder: str, *, folder: Path | None = None) -> None:
        self.folder = folder or releases_folder()
        self.encoder = encoder

    def names(self) -> list[str]:
        """Return the adapter names that have a history."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{HISTORY}"))

    def pointer(self, name: str) -> Pointer:
        """Return which release of `name` serves."""
        return read_pointer(self.folder / name)

    def serving(self, name: str) -> int | None:
        """Return the number of the release that serves; None where the pointer cannot be read."""
        try:
            return self.pointer(name).release
        except DamagedReleaseError:
            return None

    def read(self, name: str, number: int) -> Release:
        """Return a release after checking it. Raises `UnknownReleaseError` or `DamagedAdapterError`."""
        if not (self.folder / name / str(number)).is_dir():
            raise self._unknown(name, number)
        key = read_public_key(self.folder)
        return read_release(self.folder / name / str(number), key=key, name=name, encoder=self.encoder)

    def numbers(self, name: str) -> list[int]:
        """Return the numbers of the releases of `name` that were let serve, without the shipped one, oldest first."""
        return sorted(self._folders(name) & self._let_serve(name))

    def history(self, name: str) -> list[Event]:
        """Return what was done with `name`, oldest first; lines that a power failure left damaged are passed over."""
        events = (read_event(line) for line in self._history_lines(name))
        return [event for event in events if event is not None]

    def learned_until(self, name: str) -> datetime | None:
        """Return the time of the last label that any release of `name` learned from, also one that was taken back.

        One that cannot be read, or was taken back with its labels kept, says nothing: what it alone had learned is
        learned again.
        """
        history = self.history(name)
        again = with_labels_kept(history) - set(ancestry(history, self.serving(name) or SHIPPED))
        return _latest(self._lineage(name, number) for number in self.numbers(name) if number not in again)

    def ancestry(self, name: str) -> list[int]:
        """Return the release that serves and those that it replaced, the youngest first, without the shipped one."""
        return ancestry(self.history(name), self.pointer(name).release)

    def trusted(self, name: str) -> Trusted:
        """Return what may be trusted of what `name` learned: what serves it, and what that replaced."""
        history = self.history(name)
        serving = ancestry(history, self.pointer(name).release)
        lineages = [self._lineage(name, number) for number in serving]
        taken_back = []
        for number in sorted(set(self.numbers(name)) - set(serving) - with_labels_kept(history)):
            began, *before = (self._lineage(name, older) for older in ancestry(history, number))
            if began.until:
                taken_back.append((_latest(before), began.until))
        transcripts = frozenset(transcript for lineage in lineages for transcript in lineage.transcripts)
        return Trusted(transcripts, _latest(lineages), tuple(taken_back))

    def learned_from(self, transcript: int) -> list[tuple[str, int]]:
        """Return the releases, by name and number, that learned from a transcript, also what never served of them."""
        return [
            (name, number)
            for name in self.names()
            for number in sorted(self._folders(name))
            if transcript in read_lineage(self.folder / name / str(number) / LINEAGE).transcripts
        ]

    @contextmanager
    def staged(self, name: str, adapter: Path, manifest: Manifest, *, encoder: str) -> Iterator[Path]:
        """Copy a checked adapter to where it can become a release, with its served form; gone afterwards if it did not.

        `encoder` is the encoder's folder or hub name. What a promotion that was killed has left is removed, too.
        """
        target = self.folder / name
        target.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
        with tempfile.TemporaryDirectory(dir=target, prefix=STAGED) as scratch:
            folder = Path(scratch) / "release"
            folder.mkdir()
            for file in (*manifest.files, MANIFEST):
                shutil.copyfile(adapter / file, folder / file)
            for file in (METRICS, CARD, LINEAGE):
                if (adapter / file).is_file():
                    shutil.copyfile(adapter / file, folder / file)
            if not (folder / LINEAGE).exists():
                write_lineage(folder, Lineage(sources=manifest.training.get("sources", {})))
            write_served(folder, manifest, folder / SERVED, encoder=encoder)
            yield folder

    @contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """Let nobody else change the releases of `name` meanwhile: for moments, since a rollback waits for its turn."""
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / name / ".lock"):
            self._set_damaged_lines_aside(name)
            yield

    def publish(
        self, name: str, staged: Path, manifest: Manifest, *, reason: str | None, gate: Mapping[str, object]
    ) -> Release:
        """Sign the staged folder, give it its number, and let it serve. Call it within `staged` and `changing`."""
        pointer = self.pointer(name)
        release = Release(
            number=self._next_number(name),
            name=name,
            version=manifest.version,
            encoder=manifest.encoder,
            parent=pointer.release,
            created=_now(),
            by=who(),
            intents=Heads.load(staged).settings.intents,
            files={path.name: sha256(path) for path in sorted(staged.iterdir())},
            transcripts=len(read_lineage(staged / LINEAGE).transcripts),
            reason=reason,
            gate=gate,
            metrics=_metrics(staged / METRICS),
        )
        content = msgspec.json.format(msgspec.json.encode(release), indent=2) + b"\n"
        (staged / SIGNATURE).write_bytes(signing_key(self.folder).sign(content))
        (staged / RELEASE).write_bytes(content)
        sync_files(staged)
        staged.replace(self.folder / name / str(release.number))
        sync_folder(self.folder / name)
        self._point(name, Pointer(release.number, pointer.release), "promote", release.version, reason or "")
        return release

    def roll_back(self, name: str, *, to: int | None = None, keep_labels: bool = False) -> Pointer:
        """Let an earlier release serve again: the one that the serving one replaced, or `to`.

        What is taken back is not learned again from the same labels, unless `keep_labels` says that they were not why.
        Raises `UnknownReleaseError` if there is none, `DamagedAdapterError` if it cannot serve any more. With `to`, a
        pointer that is damaged is written anew.
        """
        with self.changing(name):
            serving = self.pointer(name).release if to is None else self.serving(name)
            if to is None and serving == SHIPPED:
                raise UnknownReleaseError(f"{name} is served by the adapter that Polydesk ships: nothing came before.")
            target = to if to is not None else self._replaced_by(name)
            if target not in (SHIPPED, *self.numbers(name)):
                raise self._unknown(name, target)
            if target == serving:
                raise UnknownReleaseError(f"Release {target} of {name} serves already.")
            version = "" if target == SHIPPED else self.read(name, target).version
            pointer = Pointer(target, SHIPPED if serving is None else serving)
            self._point(name, pointer, "rollback", version, "", keeps_labels=keep_labels)
        return pointer

    def note_refusal(self, name: str, version: str, reasons: list[str]) -> None:
        """Remember that a candidate was refused. Call it within `changing`."""
        serving = self.pointer(name).release
        self._note(name, Event(_now(), who(), "refuse", serving, serving, version, "; ".join(reasons)))

    def _unknown(self, name: str, number: int) -> UnknownReleaseError:
        known = ", ".join(map(str, [SHIPPED, *self.numbers(name)]))
        return UnknownReleaseError(f"{name} has no release {number}; it has {known}.")

    def _folders(self, name: str) -> set[int]:
        folder = self.folder / name
        paths = folder.iterdir() if folder.is_dir() else ()
        return {int(path.name) for path in paths if path.name.isdecimal() and path.is_dir()}

    def _let_serve(self, name: str) -> set[int]:
        """Return the numbers that the pointer names, or a line of the history as what served before it.

        A promotion that was killed after it had named its folder, or written its line, let nothing serve.
        """
        history = self.history(name)
        try:
            pointer = self.pointer(name)
            now = {pointer.release, pointer.before}
        except DamagedReleaseError:  # the last line is all that is known of it
            now = {event.release for event in history[-1:]}
        return now | {event.before for event in history}

    def _lineage(self, name: str, number: int) -> Lineage:
        """Read a release's lineage; one that cannot be read says nothing, and the shipped adapter has none."""
        try:
            return read_lineage(self.folder / name / str(number) / LINEAGE)
        except DamagedReleaseError:
            return Lineage()

    def _history_lines(self, name: str) -> list[bytes]:
        path = self.folder / name / HISTORY
        return path.read_bytes().splitlines(keepends=True) if path.exists() else []

    def _set_damaged_lines_aside(self, name: str) -> None:
        """Move what is no whole line to a file of its own, and say so: the next line must not be written behind it."""
        lines = self._history_lines(name)
        damaged = [line for line in lines if read_event(line) is None]
        if not damaged:
            return
        folder = self.folder / name
        append_durably(folder / DAMAGED_LINES, b"\n".join(line.rstrip(b"\n") for line in damaged))
        write_durably(folder / HISTORY, b"".join(line for line in lines if line not in damaged))
        sys.stderr.write(
            f"{folder / HISTORY} had {len(damaged)} damaged lines, as a power failure leaves them: they stand in "
            f"{folder / DAMAGED_LINES} now.\n"
        )

    def _replaced_by(self, name: str) -> int:
        pointer = self.pointer(name)
        try:
            return self.read(name, pointer.release).parent
        except (DamagedAdapterError, UnknownReleaseError):
            return pointer.before

    def _next_number(self, name: str) -> int:
        numbers = [*self._folders(name), *(event.release for event in self.history(name))]
        return max(numbers, default=SHIPPED) + 1

    def _point(
        self, name: str, pointer: Pointer, action: Action, version: str, why: str, *, keeps_labels: bool = False
    ) -> None:
        # The history comes first: nothing serves without a line that says who let it.
        self._note(name, Event(_now(), who(), action, pointer.release, pointer.before, version, why, keeps_labels))
        write_durably(self.folder / name / POINTER, msgspec.json.encode(pointer) + b"\n")

    def _note(self, name: str, event: Event) -> None:
        append_durably(self.folder / name / HISTORY, msgspec.json.encode(event))


def who() -> str:
    """Name the account that runs this."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(f"{STAGED}*"):
        with suppress(FileNotFoundError):  # another promotion removes it
            if path.stat().st_mtime < time.time() - ABANDONED_AFTER:
                shutil.rmtree(path)


def _latest(lineages: Iterable[Lineage]) -> datetime | None:
    return max((lineage.until for lineage in lineages if lineage.until), default=None)


def _metrics(path: Path) -> Mapping[str, object]:
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedReleaseError(f"{path} cannot be read: {error}") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
