"""Fixtures of the edge's tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot.edge_for_tests import Edge, edge_on
from tests.bot.fake_rasa import FakeRasa


@pytest.fixture
def rasa() -> FakeRasa:
    return FakeRasa()


@pytest.fixture
def database(sqlite_template: Path, tmp_path: Path) -> str:
    """Give the URL of a database with all tables, so that an edge on it has nothing to migrate."""
    return f"sqlite:///{shutil.copyfile(sqlite_template, tmp_path / 'edge.db')}"


@pytest.fixture
def endless_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the minute in which messages are counted from ending during the test."""
    monkeypatch.setattr("bot.rates.WINDOW", 10**9)


@pytest.fixture
def edge(database: str, rasa: FakeRasa, tmp_path: Path) -> Iterator[Edge]:
    with edge_on(database, rasa, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """An edge for many small tests that leave nothing behind for each other."""
    folder = tmp_path_factory.mktemp("shared")
    with edge_on(f"sqlite:///{folder / 'edge.db'}", FakeRasa(), folder) as running:
        yield running
