"""`predict` and `nlu parse` keep their contract: a row out for each row in, with its columns and ours, for any text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

import nlu.__main__
from nlu.rows import COLUMNS
from tests.training.small import INTENTS, encoder_in_use, write_small_adapter
from training.__main__ import main

IN = ["id", "text", "market", "note"]
OUT = [*IN, *COLUMNS, "pred_decision"]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give an adapter's folder, whose encoder is in use meanwhile."""
    root = tmp_path_factory.mktemp("adapter")
    with encoder_in_use(root / "encoder") as encoder:
        yield write_small_adapter(encoder, root / "shoes")


def written(path: Path, *rows: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([IN, *rows])
    return path


def predicted(adapter: Path, source: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the header and the rows that the command writes."""
    target = source.with_name("out.csv")
    assert main(["predict", "--adapter", str(adapter), "--input", str(source), "--output", str(target)]) == 0
    return read(target)


def read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        return list(reader.fieldnames or ()), rows


def test_each_row_keeps_its_place_and_columns_and_gets_all_of_ours(adapter: Path, tmp_path: Path) -> None:
    rows = [
        ["1", "Wo ist mein Paket, ich warte seit Tagen darauf", "de-DE", "a, b"],
        ["2", "4711", "de-DE", ""],
        ["3", " ", "", "of nobody"],
        ["4", "Thank you very much for the quick help", "", ""],
    ]
    header, found = predicted(adapter, written(tmp_path / "in.csv", *rows))
    assert header == OUT
    assert [[row[name] for name in IN] for row in found] == rows
    assert [row["pred_language"] for row in found] == ["de", "und", "und", "en"]
    assert {row["pred_market"] for row in found} == {"shoes"}
    for row in (found[0], found[1], found[3]):
        assert row["pred_intent"] in INTENTS
        assert row["pred_decision"] in (row["pred_intent"], "out_of_scope")
        assert 0 <= float(row["pred_confidence"]) <= 1
        assert 0 <= float(row["pred_oos_score"]) <= 1
        assert row["pred_sentiment"] in ("negative", "neutral", "positive")
        assert (row["pred_decision"] == row["pred_intent"]) == (float(row["pred_confidence"]) >= 0.5)
    empty = {name: found[2][name] for name in OUT[len(IN) :]}
    assert empty == {**dict.fromkeys(empty, ""), "pred_language": "und", "pred_market": "shoes"}


@pytest.mark.parametrize("rows", [[], [["1", "", "", ""], ["2", "  ", "de-DE", "x"]]])
def test_a_file_without_a_single_text_is_answered_as_any(rows: list[list[str]], adapter: Path, tmp_path: Path) -> None:
    source = written(tmp_path / "in.csv", *rows)
    header, found = predicted(adapter, source)
    assert header == OUT
    assert [[row[name] for name in IN] for row in found] == rows
    assert {row["pred_language"] for row in found} <= {"und"}
    parsed = tmp_path / "parsed.csv"
    assert nlu.__main__.main(["parse", "--input", str(source), "--output", str(parsed)]) == 0
    header, found = read(parsed)
    assert header == [*IN, *COLUMNS]
    assert [[row[name] for name in IN] for row in found] == rows


def test_a_market_that_does_not_exist_is_named_with_its_row(
    adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "in.csv", ["1", "hallo", "de-DE", ""], ["2", "hallo", "de-XX", ""])
    arguments = ["--adapter", str(adapter), "--input", str(source), "--output", str(tmp_path / "out.csv")]
    assert main(["predict", *arguments]) == 2
    assert "row 3: there is no market 'de-XX'" in capsys.readouterr().err
