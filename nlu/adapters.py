"""Adapter folders: what one holds on disk, and the check that it is whole before anything of it is used.

An adapter is the fine-tuned part of one market (or of all: `global`): peft's weights, the heads, labels and thresholds,
all safetensors and JSON, each listed with its SHA-256 in `manifest.json`. Imports neither torch nor peft.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError, safe_open

ADAPTERS_FOLDER = Path("training/adapters")
MANIFEST = "manifest.json"
PEFT_WEIGHTS = "adapter_model.safetensors"
HEAD_WEIGHTS = "heads.safetensors"
HEAD_SETTINGS = "heads.json"
PEFT_SETTINGS = "adapter_config.json"
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
FORMAT = 1


class DamagedAdapterError(RuntimeError):
    """An adapter folder is not what its manifest says; it must not be served."""


@dataclass(frozen=True)
class Manifest:
    """`manifest.json` of an adapter: `files` maps each file's name to its SHA-256, `encoder` is a fingerprint."""

    name: str
    encoder: str
    method: str
    files: Mapping[str, str]
    created: str
    format: int = FORMAT
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """A short hash of all the files: the same weights have the same version everywhere."""
        listing = "\n".join(f"{name} {digest}" for name, digest in sorted(self.files.items()))
        return hashlib.sha256(listing.encode()).hexdigest()[:12]


def write_manifest(folder: Path, *, name: str, encoder: str, method: str, training: Mapping[str, Any]) -> Manifest:
    """Hash the files that are served from `folder` and write its manifest; call it last."""
    served = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors"))
    files = {path.name: sha256(path) for path in served if path.name not in (MANIFEST, "metrics.json")}
    created = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest(name, encoder, method, files, created, training=dict(training))
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return manifest


def read_manifest(folder: Path, *, encoder: str | None = None) -> Manifest:
    """Return the manifest of a whole adapter.

    Raises `DamagedAdapterError` if a file is missing, changed or of another format, or if the adapter was trained on
    another encoder than the one with the fingerprint `encoder`. What the weights say is checked where they are loaded.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DamagedAdapterError(f"{folder} has no {MANIFEST}: it is not an adapter, or not a whole one.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedAdapterError(f"{folder / MANIFEST} cannot be read: {error}") from error
    if not NAME.fullmatch(manifest.name):
        raise DamagedAdapterError(f"{folder / MANIFEST}: {manifest.name!r} is not a name an adapter may have.")
    if manifest.format != FORMAT:
        raise DamagedAdapterError(f"{folder} has format {manifest.format}; this Polydesk reads format {FORMAT}.")
    for required in (PEFT_WEIGHTS, PEFT_SETTINGS, HEAD_WEIGHTS, HEAD_SETTINGS):
        if required not in manifest.files:
            raise DamagedAdapterError(f"{folder / MANIFEST} does not list {required}.")
    for name, expected in manifest.files.items():
        _check_file(folder, name, expected)
    if encoder is not None and manifest.encoder != encoder:
        raise DamagedAdapterError(f"{folder} was trained on encoder {manifest.encoder}, not on {encoder}.")
    return manifest


def _check_file(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    if path.name != name or path.suffix not in (".json", ".safetensors"):
        raise DamagedAdapterError(f"{folder / MANIFEST} lists {name!r}, which is not a file an adapter may have.")
    if not path.is_file():
        raise DamagedAdapterError(f"{path} is missing.")
    if sha256(path) != expected:
        raise DamagedAdapterError(f"{path} is damaged: its SHA-256 is not the manifest's. Restore it, or train again.")


    _check_kind(path)


def _check_kind(path: Path) -> None:
    """Tell a file by its content, not by its name: a pickle renamed to safetensors is none."""
    try:
        if path.suffix == ".json":
            msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
            return
        with safe_open(str(path), framework="np") as tensors:
            tensors.keys()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedAdapterError(f"{path} is not JSON: {error}") from error
    except SafetensorError as error:
        raise DamagedAdapterError(f"{path} is not a safetensors file: {error}") from error


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
