"""The adapters being served: loads each when first asked for, and serves the global one where one is damaged."""

from __future__ import annotations

from pathlib import Path

import structlog

from nlu.adapters import ADAPTERS_FOLDER, DamagedAdapterError, Manifest, read_manifest
from nlu.classifier import Classifier, Embedder
from nlu.encoder import find_encoder, fingerprint
from nlu.export import SERVED_FOLDER, export_adapter, served_path
from nlu.heads import Heads
from nlu.markets import GLOBAL_ADAPTER

log = structlog.get_logger(__name__)


class ServedAdapters:
    """Classifiers by adapter name, over one embedder. `folder` holds the adapters, `served` their int8 files."""

    def __init__(
        self,
        *,
        folder: Path = ADAPTERS_FOLDER,
        served: Path = SERVED_FOLDER,
        encoder: str | None = None,
        threads: int = 2,
    ) -> None:
        self.folder = folder
        self.served = served
        self.encoder = find_encoder(encoder)
        self.embedder = Embedder(Path(self.encoder))
        self.threads = threads
        self._loaded: dict[str, Classifier] = {}

    def __getitem__(self, name: str) -> Classifier:
        """Return the named adapter's classifier; the global one's if that adapter cannot be served, which is logged.

        Raises `DamagedAdapterError` when the global adapter itself cannot be served.
        """
        if name not in self._loaded:
            try:
                self._loaded[name] = self._load(name)
            except DamagedAdapterError as error:
                if name == GLOBAL_ADAPTER:
                    raise
                log.error("adapter_refused", adapter=name, reason=str(error), serving=GLOBAL_ADAPTER)
                self._loaded[name] = self[GLOBAL_ADAPTER]
        return self._loaded[name]

    def _load(self, name: str) -> Classifier:
        manifest = read_manifest(self.folder / name, encoder=fingerprint(self.encoder))
        path = served_path(manifest, self.served)
        if not path.exists():
            raise DamagedAdapterError(f"{path} has not been made: run `python -m nlu prepare`.")
        heads = Heads.load(self.folder / name)
        return Classifier(path, heads, name=manifest.name, version=manifest.version, threads=self.threads)


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
