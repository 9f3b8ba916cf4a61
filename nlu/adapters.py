"""Adapter folders: what one holds on disk, and the check that it is whole before anything of it is used.

An adapter is the fine-tuned part of one market (or of all: `global`): peft's weights, the heads, labels and thresholds,
all safetensors and JSON, each listed with its SHA-256 in `manifest.json`. Imports neither torch nor peft.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ADAPTERS_FOLDER = Path("training/adapters")
MANIFEST = "manifest.json"
PEFT_WEIGHTS = "adapter_model.safetensors"
HEAD_WEIGHTS = "heads.safetensors"
HEAD_SETTINGS = "heads.json"
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
    files = {path.name: _sha256(path) for path in served if path.name not in (MANIFEST, "metrics.json")}
    created = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest(name, encoder, method, files, created, training=dict(training))
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return manifest


def read_manifest(folder: Path, *, encoder: str | None = None) -> Manifest:
    """Return the manifest of a whole adapter.

    Raises `DamagedAdapterError` if a file is missing, changed or of another format, or if the adapter was trained on
    another encoder than the one with the fingerprint `encoder`.
    """
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise DamagedAdapterError(f"{folder} has no {MANIFEST}: it is not an adapter, or not a whole one.") from error
    except (ValueError, TypeError) as error:
        raise DamagedAdapterError(f"{folder / MANIFEST} cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise DamagedAdapterError(f"{folder} has format {manifest.format}; this Polydesk reads format {FORMAT}.")
    for required in (PEFT_WEIGHTS, HEAD_WEIGHTS, HEAD_SETTINGS):
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
    if _sha256(path) != expected:
        raise DamagedAdapterError(f"{path} is damaged: its SHA-256 is not the manifest's. Restore it, or train again.")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
