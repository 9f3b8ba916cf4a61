"""Releases on disk: which one serves an adapter's name, and the check that one is whole, signed and meant for it.

    RELEASES/public-key.pem          of the key that signs; `training/signing.py` has the other half
    RELEASES/NAME/serving.json       the number of the release that serves, and of the one that served before
    RELEASES/NAME/history.jsonl      what was done, by whom and when; only ever appended to
    RELEASES/NAME/NUMBER/            the adapter's files, `served.onnx`, `lineage.json`, `release.json`, `release.sig`

Number 0 is the adapter that Polydesk ships (`training/adapters/NAME`). Reads only; imports neither torch nor peft.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from nlu.adapters import DamagedAdapterError, read_manifest, sha256

DOMAIN_FILE = Path("domain.yml")
DEFAULT_RELEASES = Path("var/releases")
PUBLIC_KEY = "public-key.pem"
POINTER = "serving.json"
HISTORY = "history.jsonl"
RELEASE = "release.json"
SIGNATURE = "release.sig"
SERVED = "served.onnx"
LINEAGE = "lineage.json"
SHIPPED = 0
FORMAT = 1


class DamagedReleaseError(DamagedAdapterError):
    """A release is not whole, not signed by the key of this installation, or not for what it should serve."""


class DomainFileError(ValueError):
    """`domain.yml` cannot be used as it is; the message says why."""


@dataclass(frozen=True)
class Pointer:
    """`serving.json`: the number of the release that serves, and the one that did before it."""

    release: int = SHIPPED
    before: int = SHIPPED


@dataclass(frozen=True)
class Release:
    """`release.json`. `files` maps names to SHA-256, `version` is the adapter's, `parent` the release that it replaced.

    `transcripts` counts those it learned from (their ids are in `lineage.json`); `reason` is why it was forced, None if
    the gate let it pass; `gate` holds the gate's findings, `metrics` the adapter's own.
    """

    number: int
    name: str
    version: str
    encoder: str
    parent: int
    created: str
    by: str
    intents: tuple[str, ...]
    files: Mapping[str, str]
    transcripts: int = 0
    reason: str | None = None
    gate: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT


def releases_folder() -> Path:
    """Return where releases are kept: `POLYDESK_RELEASES`, else `var/releases`."""
    return Path(os.environ.get("POLYDESK_RELEASES") or DEFAULT_RELEASES)


def pointer_mark(folder: Path) -> tuple[int, ...] | None:
    """Return what tells a pointer from the one that will replace it, without reading it; None while none is there, or
    while its disk cannot be reached."""
    try:
        state = (folder / POINTER).stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size


def read_pointer(folder: Path) -> Pointer:
    """Read which release serves; the shipped one where nothing was promoted. Raises `DamagedReleaseError`."""
    try:
        return msgspec.json.decode((folder / POINTER).read_bytes(), type=Pointer)
    except (FileNotFoundError, NotADirectoryError):
        return Pointer()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedReleaseError(f"{folder / POINTER} cannot be read: {error}") from error


def read_public_key(releases: Path) -> Ed25519PublicKey | None:
    """Return the key that releases must be signed with; None while there is none. Raises `DamagedReleaseError`."""
    path = releases / PUBLIC_KEY
    try:
        key = load_pem_public_key(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise DamagedReleaseError(f"{path} is not a public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise DamagedReleaseError(f"{path} is not an Ed25519 key.")
    return key


def read_release(folder: Path, *, key: Ed25519PublicKey | None, name: str, encoder: str) -> Release:
    """Return the release in `folder` (`RELEASES/NAME/NUMBER`) after checking every byte of it.

    Raises `DamagedReleaseError` if it is not signed by `key`, if a file is missing or changed, or if it is for another
    name, number or encoder fingerprint; `DamagedAdapterError` for what is wrong with the adapter in it.
    """
    content = _signed(folder, key)
    try:
        release = msgspec.json.decode(content, type=Release)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedReleaseError(f"{folder / RELEASE} cannot be read: {error}") from error
    if release.format != FORMAT:
        raise DamagedReleaseError(f"{folder} has format {release.format}; this Polydesk reads format {FORMAT}.")
    if (release.name, str(release.number)) != (name, folder.name):
        raise DamagedReleaseError(f"{folder} holds release {release.number} of {release.name}.")
    for file, expected in release.files.items():
        path = folder / file
        if path.name != file or not path.is_file() or sha256(path) != expected:
            raise DamagedReleaseError(f"{path} is missing or damaged: its SHA-256 is not that of {RELEASE}.")
    manifest = read_manifest(folder, encoder=encoder)
    if SERVED not in release.files or manifest.version != release.version:
        raise DamagedReleaseError(f"{folder} does not hold what {RELEASE} says.")
    return release


def _signed(folder: Path, key: Ed25519PublicKey | None) -> bytes:
    if key is None:
        raise DamagedReleaseError(f"There is no {PUBLIC_KEY} beside {folder.parent}: the release cannot be trusted.")
    try:
        content, signature = (folder / RELEASE).read_bytes(), (folder / SIGNATURE).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DamagedReleaseError(f"{folder} is not a whole release: {RELEASE} or {SIGNATURE} is missing.") from error
    try:
        key.verify(signature, content)
    except InvalidSignature as error:
        raise DamagedReleaseError(f"{folder / RELEASE} was changed, or signed by another key.") from error
    return content


def domain_intents(path: Path = DOMAIN_FILE) -> frozenset[str]:
    """Return the intents that the dialogue has something to do with. Raises `DomainFileError`."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["intents"]
        return frozenset(name for entry in entries for name in ([entry] if isinstance(entry, str) else entry))
    except FileNotFoundError as error:
        raise DomainFileError(f"{path} is missing: run from the project's root.") from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise DomainFileError(f"{path} must be YAML with a list `intents`: {error}") from error
