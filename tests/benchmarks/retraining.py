"""How long a market's retraining takes with 2,000 new labelled messages: `python -m tests.benchmarks.retraining`.

A market of some months: 10,000 labelled messages are there from which an earlier release says that it learned (the
shipped adapter under another number; the messages are our own examples with their words mixed up). Then messages of our
own examples are taken in as if new (the adapter knows them: only the time is measured), and `retrain` runs to its end,
promotion or refusal. All in a database, a folder and releases of its own, so that nothing that serves is touched.
Writes `docs/benchmarks.md`.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nlu.markets import load_markets
from nlu.releases import SHIPPED
from tests.benchmarks.apart import environment_in
from tests.benchmarks.marked_report import REPORT, machine, write_between_marks
from training.commands import OWN_EXAMPLES
from training.dataset import Example, read_examples
from training.lineage import Lineage, write_lineage
from training.outcomes import RefusedError
from training.parents import release_folder
from training.promote import adapter_name

MARK = "<!-- retraining -->"
A_CONVERSATION = 5
GOAL = 300  # seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.retraining", description=__doc__)
    parser.add_argument("--market", default="de-DE")
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--before", type=int, default=10_000, help="labelled messages of an earlier release")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="polydesk-retraining-") as folder:
        archive, load = Path(folder) / "archive.csv", os.getloadavg()[0]
        environment = environment_in(folder)
        market = ["--market", options.market]
        if options.before:
            _make_history(Path(folder), options.market, options.before, environment)
        rows = random.Random(0).sample(_own_examples(options.market), options.messages)
        write_archive(archive, rows, name="new", until=datetime.now(UTC))
        taken_in, _ = _timed(["ingest", str(archive), "--format", "csv", *market], environment)
        seconds, code = _timed(["retrain", *market], environment)
    ended = "refused by the gate" if code == RefusedError.exit_code else "promoted"
    lines = [
        MARK,
        f"## A market's retraining with {options.messages:,} new labelled messages",
        "",
        f"`python -m tests.benchmarks.retraining`, {options.market}, {datetime.now(UTC):%Y-%m-%d}, {machine()}, load",
        f"{load:.1f} before, seed 0. {options.before:,} older labelled messages are there, from which an earlier",
        "release says that it learned. All are our own examples, the older ones with their words mixed up: the adapter",
        "knows the new ones, and only the time counts. Training, measuring and the gate, from the command to its end",
        f"({ended}).",
        "",
        "| | figure | goal |",
        "|---|---|---|",
        f"| taking the messages in (s) | {taken_in:.0f} | |",
        f"| retraining (s) | {seconds:.0f} | at most {GOAL} |",
        MARK,
    ]
    sys.stdout.write("\n".join(lines[1:-1]) + "\n")
    write_between_marks(REPORT, MARK, lines)
    return 0


def write_archive(path: Path, rows: Sequence[Example], *, name: str, until: datetime) -> None:
    """Write labelled messages, an hour apart, as conversations of some messages each."""
    began = until - timedelta(hours=len(rows))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["conversation", "speaker", "text", "at", "consent", "intent", "sentiment", "labeller"])
        for number, row in enumerate(rows):
            at = (began + timedelta(hours=number)).isoformat()
            conversation = f"{name} {number // A_CONVERSATION}"
            writer.writerow([conversation, "customer", row.text, at, "yes", row.intent, row.sentiment, "benchmark"])


def _own_examples(market: str) -> list[Example]:
    return read_examples([OWN_EXAMPLES / f"{load_markets()[market].language}.yml"])


def _make_history(folder: Path, market: str, messages: int, environment: dict[str, str]) -> None:
    """Take older messages in, and let a release serve that says it learned from all of them."""
    chance = random.Random(1)
    rows = []
    for row in chance.choices(_own_examples(market), k=messages):
        words = row.text.split()
        rows.append(replace(row, text=" ".join(chance.sample(words, len(words)))))
    archive, adapter = folder / "before.csv", folder / "before"
    write_archive(archive, rows, name="before", until=datetime.now(UTC) - timedelta(days=365))
    _timed(["ingest", str(archive), "--format", "csv", "--market", market], environment)
    shutil.copytree(release_folder(adapter_name(market), SHIPPED), adapter)
    transcripts = tuple(range(1, -(-messages // A_CONVERSATION) + 1))
    write_lineage(adapter, Lineage(transcripts, until=datetime.now(UTC)))
    forced = ["--force", "--reason", "a history for the benchmark"]
    _timed(["promote", "--adapter", str(adapter), "--market", market, *forced], environment)


def _timed(arguments: Sequence[str], environment: dict[str, str]) -> tuple[float, int]:
    """Run a command of `training`; its seconds and its exit code, which is 0 or the gate's refusal."""
    began = time.perf_counter()
    code = subprocess.run([sys.executable, "-m", "training", *arguments], env=environment, check=False).returncode
    if code not in (0, RefusedError.exit_code):
        raise RuntimeError(f"`training {arguments[0]}` ended with {code}: see what it said above")
    return time.perf_counter() - began, code


if __name__ == "__main__":
    sys.exit(main())
