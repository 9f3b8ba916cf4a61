"""`evaluate` on a CSV of the contract, which has no column for the language: measured and compared by language."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from nlu.adapters import ADAPTERS_FOLDER
from nlu.heads import Scores
from tests.training.small import encoder_in_use, some_examples, write_small_adapter
from training import measuring
from training.__main__ import main
from training.dataset import Example
from training.predict import AdapterPredictor
from training.report import Measured, Rival

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made_adapter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("adapter")
    with encoder_in_use(root / "encoder") as encoder:
        yield write_small_adapter(encoder, root / "de-DE")


@pytest.fixture
def adapter(made_adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the adapter that also serves de-DE, in a working folder with `rows.csv`, whose rows name no language."""
    shutil.copy(PROJECT / "markets.yml", tmp_path)
    shutil.copytree(made_adapter, tmp_path / ADAPTERS_FOLDER / "de-DE")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYDESK_RELEASES", raising=False)
    monkeypatch.delenv("POLYDESK_VAR", raising=False)
    with Path("rows.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [(row.text, row.intent, row.sentiment) for row in some_examples(75)]
        csv.writer(file).writerows([("text", "intent", "sentiment"), *rows])
    return made_adapter


def test_rows_of_an_adapter_have_the_language_that_is_detected(adapter: Path) -> None:
    arguments = ["--adapter", str(adapter), "--data", "rows.csv", "--json", "out.json", "--html", "out.html"]
    assert main(["evaluate", *arguments]) == 0
    metrics = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert metrics["languages"]["de"]["rows"] > metrics["rows"] / 2
    assert re.search(r"<td>intents in de</td>", Path("out.html").read_text(encoding="utf-8"))


def test_rows_of_a_market_have_its_language(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    predictor = AdapterPredictor(adapter)

    def score(rows: Sequence[Example]) -> Scores:
        asked.extend(row.language for row in rows)
        return predictor.score([row.text for row in rows], asked)

    def served(_: str) -> tuple[Measured, Rival | None]:
        return Measured("what serves", predictor.heads.settings, score), None

    monkeypatch.setattr(measuring, "_served", served)
    assert main(["evaluate", "--market", "de-DE", "--data", "rows.csv"]) == 0
    assert set(asked) == {"de"}
