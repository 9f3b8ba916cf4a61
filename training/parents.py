"""Where the adapter lies that serves a name, to start from it, to compare with it, or to explain it. Reads only."""

from __future__ import annotations

from pathlib import Path

from nlu.adapters import ADAPTERS_FOLDER
from nlu.markets import GLOBAL_ADAPTER
from nlu.releases import SHIPPED, read_pointer, releases_folder


def release_folder(name: str, number: int, *, releases: Path | None = None) -> Path:
    """Return the folder of a release; for the shipped one its adapter's, and where that is missing the global one's."""
    if number != SHIPPED:
        return (releases or releases_folder()) / name / str(number)
    shipped = ADAPTERS_FOLDER / name
    return shipped if shipped.exists() else ADAPTERS_FOLDER / GLOBAL_ADAPTER


def serving_folder(name: str) -> Path:
    """Return the folder of the adapter that serves `name`."""
    return release_folder(name, read_pointer(releases_folder() / name).release)
