"""Writes that are there wholly or not at all, also when the power fails; and what it means when they cannot be made."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from sqlalchemy.exc import DBAPIError

from training.outcomes import NoRoomError

# SQLite calls it a failed write where a quota or a limit of the file's size ends the room.
SQLITE_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
POSTGRES_NO_ROOM = "53100"
NO_ROOM = {errno.ENOSPC: "No space left on device", errno.EFBIG: "File too large", errno.EDQUOT: "Disk quota exceeded"}


@contextmanager
def needing_room(what_stays: str) -> Iterator[None]:
    """Turn the several ways in which libraries report a full disk into one `NoRoomError`."""
    try:
        yield
    except NoRoomError:
        raise
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise NoRoomError(f"The disk is full ({error.strerror}). {what_stays}") from error
    except DBAPIError as error:
        if not _is_room_wanting(error.orig):
            raise
        raise NoRoomError(f"The disk is full ({str(error.orig).splitlines()[0]}). {what_stays}") from error
    except (RuntimeError, SafetensorError) as error:
        # safetensors and torch write by themselves and pass on only the system's words.
        reason = next((words for words in NO_ROOM.values() if words in str(error)), None)
        if reason is None:
            raise
        raise NoRoomError(f"The disk is full ({reason}). {what_stays}") from error


def _is_room_wanting(error: BaseException | None) -> bool:
    """Whether a database's driver says that there is no room; both say it in a code of their own."""
    sqlite_code, postgres_code = getattr(error, "sqlite_errorcode", None), getattr(error, "pgcode", None)
    return sqlite_code in SQLITE_NO_ROOM or postgres_code == POSTGRES_NO_ROOM


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace the file's content in one move, on disk before this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
    sync_folder(path.parent)


def append_durably(path: Path, line: bytes) -> None:
    """Add a line at the end of a file, on disk before this returns; one that finds no room leaves no part."""
    with path.open("ab", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        if file.write(line + b"\n") != len(line) + 1:
            file.truncate(end)
            raise OSError(errno.ENOSPC, NO_ROOM[errno.ENOSPC], str(path))
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Let the names in a folder survive a power failure."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_files(folder: Path) -> None:
    """Let all files of a folder, and their names, survive a power failure."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)
