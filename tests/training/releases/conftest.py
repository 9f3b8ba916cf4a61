"""The miniature, made once, copied for each test that takes one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.training.releases.miniature import Miniature, make_miniature


@pytest.fixture(scope="session")
def made_miniature(tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    """Make the one that is copied; tests of other things stay where they are."""
    root = tmp_path_factory.mktemp("miniature")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLYDESK_ENCODER", "models/encoder")
        patch.chdir(root)
        return make_miniature(root)


@pytest.fixture
def miniature(made_miniature: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Miniature:
    """Give a miniature of one's own, as the working folder."""
    root = tmp_path / "polydesk"
    shutil.copytree(made_miniature.root, root, symlinks=True)
    mine = Miniature(root)
    monkeypatch.chdir(root)
    for name, value in mine.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("POLYDESK_RELEASES", "POLYDESK_VAR"):
        monkeypatch.delenv(name, raising=False)
    return mine
