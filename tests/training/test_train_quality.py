"""The quality benchmark: its quick part runs, goes on where it stopped, and its measures and tables say what is so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import quality, quality_report
from tests.benchmarks.quality import Result, main, measured, missing_runs, read_results
from tests.benchmarks.quality_report import write_between_marks, write_report
from tests.benchmarks.quality_tasks import Answers, Rows, Task, accuracy, all_tasks, auroc, mcc, recall_at_95
from tests.training.small import small_encoder
from training.dataset import OUT_OF_SCOPE, Example

ROWS = Rows(np.array(["a", "a", "b", OUT_OF_SCOPE]), np.array(["en", "en", "de", "de"]))
ANSWERS = Answers(
    np.array(["a", "b", "b", "a"]), np.array([0.1, 0.8, 0.2, 0.9]), np.array(["a", OUT_OF_SCOPE, "b", OUT_OF_SCOPE])
)
TEST = [Example(f"{n}", label, None, "en") for n, label in enumerate(ROWS.labels)]
TASK = Task("t", "A task", TEST, TEST, {"accuracy": accuracy, "MCC": mcc}, {"MCC": 60.0}, "a rival 55")


def test_the_quick_part_measures_says_what_it_leaves_out_and_does_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POLYDESK_ENCODER", small_encoder(tmp_path / "encoder"))
    monkeypatch.setattr(quality, "SCRATCH", tmp_path / "scratch")
    monkeypatch.setattr(quality, "RESAMPLES", 50)
    arguments = ["--quick", "--results", str(tmp_path / "r.jsonl")]
    assert main(arguments) == 0
    assert "diet, ours, full" in capsys.readouterr().out
    results = read_results(tmp_path / "r.jsonl")
    assert [result.system for result in results] == ["svm", "frozen"]
    assert results[0].figures["accuracy"][0] > 50
    assert main(arguments) == 0
    assert read_results(tmp_path / "r.jsonl") == results


def test_no_run_begins_when_the_time_is_up(tmp_path: Path) -> None:
    assert main(["--quick", "--hours", "0", "--results", str(tmp_path / "r.jsonl")]) == 0
    assert not (tmp_path / "r.jsonl").exists()


def test_data_that_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLYDESK_DATA", str(tmp_path / "nothing"))
    tasks, reasons = all_tasks()
    assert not tasks
    assert {reason.split()[0] for reason in reasons} == {"hint3/sofmattress", "banking77", "clinc150", "umsab", "xsid"}


def test_measures_count_what_their_names_say() -> None:
    assert accuracy(ROWS, ANSWERS) == pytest.approx(200 / 3)
    assert auroc(ROWS, ANSWERS) == 100.0
    assert recall_at_95(ROWS, ANSWERS) == 100.0
    perfect = Answers(ANSWERS.labels, ANSWERS.out_of_scope, ROWS.labels)
    assert mcc(ROWS, perfect) == 100.0 > mcc(ROWS, ANSWERS)


def test_an_interval_lies_around_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "RESAMPLES", 200)
    test = TEST[:3] * 40
    answers = Answers(*(np.tile(part[:3], 40) for part in vars(ANSWERS).values()))
    task = Task("t", "A task", test, test, {"accuracy": accuracy}, {}, "none")
    value, low, high = measured(task, answers)["accuracy"]
    assert low < value < high
    assert 10 < high - low < 25  # about 2 * 1.96 * sqrt(2/9 / 120), in percent


def test_quick_systems_get_three_seeds_and_slow_ones_one() -> None:
    results = [Result("t", system, 0, seconds, {}, "") for system, seconds in (("svm", 1.0), ("diet", 700.0))]
    missing = [(system, seed) for _, system, seed in missing_runs([TASK], ["svm", "diet", "ours", "full"], results, 3)]
    assert missing == [("svm", 1), ("svm", 2), ("ours", 0)]


def test_the_report_has_seeds_intervals_goals_and_leaves_the_rest_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality_report, "REPORT", tmp_path / "benchmarks.md")
    monkeypatch.setattr(quality_report, "PLOT", tmp_path / "figures" / "quality.svg")
    (tmp_path / "benchmarks.md").write_text("# Benchmarks\n\nspeed\n", encoding="utf-8")
    seeds = [Result("t", "svm", seed, 1.0, {"accuracy": [80.0 + seed, 70, 90]}, "") for seed in range(3)]
    write_report([TASK], [*seeds, Result("t", "ours", 0, 900.0, {"MCC": [61.5, 55.0, 68.0]}, "")])
    write_report([TASK], seeds)
    write_report([TASK], [*seeds, Result("t", "ours", 0, 900.0, {"MCC": [61.5, 55.0, 68.0]}, "")])
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert page.startswith("# Benchmarks\n\nspeed\n")
    assert page.count("## How well") == 1
    assert "| A task | accuracy | 81.0 ± 1.0 | – | – | – | – | – | a rival 55 |" in page
    assert "| A task | MCC | – | – | – | – | 61.5 [55.0, 68.0] | 60.0 | a rival 55 |" in page
    assert "<svg" in (tmp_path / "figures" / "quality.svg").read_text(encoding="utf-8")


def test_text_between_marks_is_replaced_and_a_new_one_goes_to_the_end(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x -->\nold\n<!-- x -->\nafter\n", encoding="utf-8")
    write_between_marks(page, "<!-- x -->", ["<!-- x -->", "new", "<!-- x -->"])
    write_between_marks(page, "<!-- y -->", ["<!-- y -->", "more", "<!-- y -->"])
    text = page.read_text(encoding="utf-8")
    assert text == "before\n<!-- x -->\nnew\n<!-- x -->\nafter\n\n<!-- y -->\nmore\n<!-- y -->\n"
