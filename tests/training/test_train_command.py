"""`train` from the command line: what it may replace, and what an interruption or a full disk leaves."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nlu.adapters import read_manifest
from tests.training.small import encoder_in_use, some_examples
from training import commands
from training.__main__ import main
from training.train import Trainer

PROJECT = Path(__file__).parents[2]
# Ends as if by kill -9 as soon as the training has saved its third step.
KILLED_IN_MID_TRAINING = """
import os, signal, sys
from training import train
from training.__main__ import main

def save_and_die(*arguments, **named):
    save(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)

save, train.save_progress = train.save_progress, save_and_die
train.SAVE_EVERY = train.SaveEvery(steps=3)
main(sys.argv[1:])
"""
SAVED = 3


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with encoder_in_use(tmp_path_factory.mktemp("small") / "encoder") as place:
        yield place


@pytest.fixture
def arguments(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the arguments of a training of a few steps, for the working folder, whose output is `out`."""
    shutil.copy(PROJECT / "markets.yml", tmp_path)
    monkeypatch.chdir(tmp_path)
    rows = [f'"{row.text}",{row.intent}' for row in some_examples() if '"' not in row.text]
    Path("rows.csv").write_text("\n".join(["text,intent", *rows]), encoding="utf-8")
    return ["train", "--data", "rows.csv", "--valid", "rows.csv", "--output", "out", "--epochs", "3"]


@pytest.fixture
def first_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the list that takes the first step of each training from here on."""
    found: list[int] = []

    def run(trainer: Trainer, name: str, **_: object) -> None:
        found.extend([progress.step for progress in trainer.steps()][:1])

    monkeypatch.setattr(commands, "run_with_bar", run)
    return found


def visible() -> set[str]:
    return {path.name for path in Path().iterdir() if not path.name.startswith(".")}


def test_a_training_that_is_killed_goes_on_above_the_step_that_it_had_saved(
    arguments: list[str], first_steps: list[int]
) -> None:
    before = visible()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_MID_TRAINING, *arguments],
        env={**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert visible() == before
    assert main(arguments) == 0
    assert first_steps == [SAVED + 1]
    assert read_manifest(Path("out")).name == "out"
    assert visible() == {*before, "out"}
    assert not Path(".out.progress").exists()


def test_a_full_disk_while_the_adapter_is_written_costs_neither_the_earlier_one_nor_the_training(
    arguments: list[str], first_steps: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    earlier = read_manifest(Path("out"))
    first_steps.clear()
    with monkeypatch.context() as patch:
        patch.setattr("training.adapter.write_card", _no_room)
        assert main([*arguments, "--seed", "1"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("The disk is full (No space left on device).")
    assert read_manifest(Path("out")) == earlier
    assert main([*arguments, "--seed", "1"]) == 0
    assert first_steps == [1]  # none of the second command, which found the training at its end
    assert read_manifest(Path("out")).version != earlier.version


def _no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("command", "first"),
    [
        (["adapters"], "training.recipe.read_sources"),
        (["search", "--data", "rows.csv"], "training.search.read_examples"),
        (["review", "--market", "de-DE"], "training.review.load_markets"),
    ],
)
def test_a_full_disk_is_said_in_one_line(
    command: list[str],
    first: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(first, _no_room)
    assert main(command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("The disk is full (No space left on device).")


def test_what_is_cut_off_while_one_adapter_takes_the_others_place_is_there_whole(
    arguments: list[str], first_steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(arguments) == 0
    earlier = read_manifest(Path("out"))
    rename = Path.rename

    def cut_off(path: Path, target: Path) -> Path:
        if path.name == "adapter":
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut_off)
        assert main(arguments) == 130
    assert read_manifest(Path(".out.earlier")) == earlier
    assert main(arguments) == 0
    assert read_manifest(Path("out")).name == "out"
    assert not Path(".out.earlier").exists()


@pytest.mark.parametrize("output", ["var", "rows.csv", "."])
def test_what_is_no_adapter_is_never_replaced(
    output: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "fit", None)  # it is said before minutes of training, not after them
    Path("var").mkdir()
    Path("var/polydesk.db").write_text("customers", encoding="utf-8")
    rows = Path("rows.csv").read_text(encoding="utf-8")
    assert main([output if argument == "out" else argument for argument in arguments]) == 2
    assert "is no adapter" in capsys.readouterr().err
    assert Path("var/polydesk.db").read_text(encoding="utf-8") == "customers"
    assert Path("rows.csv").read_text(encoding="utf-8") == rows


def test_an_empty_folder_is_filled(arguments: list[str], first_steps: list[int]) -> None:
    Path("out").mkdir()
    assert main(arguments) == 0
    assert read_manifest(Path("out")).name == "out"
