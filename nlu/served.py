"""The adapters being served: loads each when first asked for, and takes over a new release while the bot runs.

What serves a name is its release (`nlu/releases.py`), else the adapter that Polydesk ships, else the global one. A
watcher looks at the pointers once a second and loads a new release beside the old one; `take_over`, called between two
messages, swaps them. A release that cannot be served is refused with the reason in the log, and the old one serves on.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from nlu.adapters import ADAPTERS_FOLDER, DamagedAdapterError, Manifest, read_manifest
from nlu.classifier import Classifier, Embedder
from nlu.encoder import find_encoder, fingerprint
from nlu.export import SERVED_FOLDER, export_adapter, served_path
from nlu.heads import Heads
from nlu.markets import GLOBAL_ADAPTER
from nlu.releases import (
    SERVED,
    SHIPPED,
    DamagedReleaseError,
    Pointer,
    pointer_mark,
    read_pointer,
    read_public_key,
    read_release,
    releases_folder,
)

log = structlog.get_logger(__name__)
LOOK_EVERY = 1.0  # seconds

Mark = tuple[int, ...] | None


class ServedAdapters:
    """Classifiers by adapter name, over one embedder.

    `folder` holds the shipped adapters, `served` their int8 files, `releases` what was promoted. A release whose
    intents are not all in `domain` is refused; None asks for no check.
    """

    def __init__(
        self,
        *,
        folder: Path = ADAPTERS_FOLDER,
        served: Path = SERVED_FOLDER,
        releases: Path | None = None,
        domain: Collection[str] | None = None,
        encoder: str | None = None,
        threads: int = 2,
    ) -> None:
        self.folder = folder
        self.served = served
        self.releases = releases or releases_folder()
        self.domain = domain
        self.encoder = find_encoder(encoder)
        self.fingerprint = fingerprint(self.encoder)
        self.embedder = Embedder(Path(self.encoder))
        self.threads = threads
        self._key: Ed25519PublicKey | None = None
        self._serving: dict[str, Classifier] = {}
        self._ready: dict[str, Classifier] = {}
        self._marks: dict[str, Mark] = {}
        self._ended = threading.Event()

    def __getitem__(self, name: str) -> Classifier:
        """Return the classifier that serves `name`; the global one if neither its release nor its adapter can.

        Raises `DamagedAdapterError` when the global adapter itself cannot be served.
        """
        if name not in self._marks:
            mark = pointer_mark(self.releases / name)
            found = self._first(name)
            if found:
                self._serving[name] = found
            self._marks[name] = mark
        return self._serving.get(name) or self[GLOBAL_ADAPTER]

    def watch(self, every: float = LOOK_EVERY) -> None:
        """Look for new releases of the names in use, every so many seconds, in a thread of its own, until `close`."""
        threading.Thread(target=self._watch, args=(every,), name="releases", daemon=True).start()

    def close(self) -> None:
        """End the watching."""
        self._ended.set()

    def look(self) -> None:
        """Load, beside what serves, each release that a pointer names anew; refuse it in the log if it is no good."""
        for name, seen in list(self._marks.items()):
            mark = pointer_mark(self.releases / name)
            if mark == seen:
                continue
            self._marks[name] = mark
            try:
                self._ready[name] = self._load(name, read_pointer(self.releases / name).release)
            except DamagedAdapterError as error:
                log.error("release_refused", adapter=name, reason=str(error), serving=self[name].version)

    def take_over(self) -> None:
        """Let the releases that `look` has loaded serve from now on; call it between two messages."""
        while self._ready:
            name, classifier = self._ready.popitem()
            self._serving[name] = classifier
            log.info("release_taken_over", adapter=name, version=classifier.version)

    def load_release(self, name: str, number: int) -> Classifier:
        """Return a release of `name`, checked byte by byte. Raises `DamagedAdapterError` saying what is wrong."""
        self._key = self._key or read_public_key(self.releases)
        folder = self.releases / name / str(number)
        release = read_release(folder, key=self._key, name=name, encoder=self.fingerprint)
        unknown = [] if self.domain is None else sorted(set(release.intents) - set(self.domain))
        if unknown:
            raise DamagedReleaseError(
                f"{folder} has intents that the running dialogue does not know: {', '.join(unknown)}. Add them to "
                "domain.yml with rules and replies, and restart."
            )
        heads = Heads.load(folder)
        return Classifier(folder / SERVED, heads, name=name, version=release.version, threads=self.threads)

    def load_shipped(self, name: str) -> Classifier:
        """Return the adapter of that name that Polydesk ships. Raises `DamagedAdapterError`."""
        manifest = read_manifest(self.folder / name, encoder=self.fingerprint)
        path = served_path(manifest, self.served)
        if not path.exists():
            raise DamagedAdapterError(f"{path} has not been made: run `python -m nlu prepare`.")
        heads = Heads.load(self.folder / name)
        return Classifier(path, heads, name=manifest.name, version=manifest.version, threads=self.threads)

    def _watch(self, every: float) -> None:
        while not self._ended.wait(every):
            self.look()

    def _load(self, name: str, number: int) -> Classifier:
        try:
            return self.load_shipped(name) if number == SHIPPED else self.load_release(name, number)
        except OSError as error:  # no permission, a network share that went away
            raise DamagedAdapterError(f"{name}, release {number}, cannot be read: {error}") from error

    def _first(self, name: str) -> Classifier | None:
        """Load what serves `name` at the start: the release, else the one before it, else the shipped adapter."""
        for number in dict.fromkeys(self._choices(name)):
            try:
                return self._load(name, number)
            except DamagedAdapterError as error:
                if name == GLOBAL_ADAPTER and number == SHIPPED:
                    raise
                log.error("adapter_refused", adapter=name, release=number, reason=str(error))
        return None

    def _choices(self, name: str) -> list[int]:
        try:
            pointer = read_pointer(self.releases / name)
        except DamagedReleaseError as error:
            log.error("release_refused", adapter=name, reason=str(error))
            pointer = Pointer()
        return [pointer.release, pointer.before, SHIPPED]


def prepare(names: list[str], *, folder: Path = ADAPTERS_FOLDER, served: Path = SERVED_FOLDER) -> list[Path]:
    """Make the served file of each named adapter that exists; a damaged one is reported and left out."""
    encoder = find_encoder()
    made = []
    for name in names:
        try:
            manifest: Manifest = read_manifest(folder / name, encoder=fingerprint(encoder))
        except DamagedAdapterError as error:
            log.error("adapter_refused", adapter=name, reason=str(error))
            continue
        made.append(export_adapter(folder / name, manifest, encoder=encoder, folder=served))
    return made
