"""How long a market's retraining takes with 2,000 new labelled messages: `python -m tests.benchmarks.retraining`.

Messages of our own examples, as if new, are taken in and `retrain` runs to its end, promotion or refusal: into a
database, a folder and releases of its own, so that nothing that serves is touched. Writes `docs/benchmarks.md`.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nlu.markets import load_markets
from tests.benchmarks.apart import environment_in
from tests.benchmarks.marked_report import REPORT, machine, write_between_marks
from training.commands import OWN_EXAMPLES
from training.dataset import read_examples
from training.outcomes import RefusedError

MARK = "<!-- retraining -->"
A_CONVERSATION = 5
GOAL = 300  # seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.retraining", description=__doc__)
    parser.add_argument("--market", default="de-DE")
    parser.add_argument("--messages", type=int, default=2000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="polydesk-retraining-") as folder:
        archive, load = Path(folder) / "archive.csv", os.getloadavg()[0]
        write_archive(archive, options.market, options.messages)
        environment = environment_in(folder)
        market = ["--market", options.market]
        taken_in, _ = _timed(["ingest", str(archive), "--format", "csv", *market], environment)
        seconds, code = _timed(["retrain", *market], environment)
    ended = "refused by the gate" if code == RefusedError.exit_code else "promoted"
    lines = [
        MARK,
        f"## A market's retraining with {options.messages:,} new labelled messages",
        "",
        f"`python -m tests.benchmarks.retraining`, {options.market}, {datetime.now(UTC):%Y-%m-%d}, {machine()}, load",
        f"{load:.1f} before, seed 0. Training, measuring and the gate, from the command to its end ({ended}).",
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


def write_archive(path: Path, market: str, messages: int) -> None:
    """Write labelled messages of the market's language as conversations of some messages each, an hour apart."""
    rows = read_examples([OWN_EXAMPLES / f"{load_markets()[market].language}.yml"])
    rows = random.Random(0).sample(rows, messages)
    began = datetime.now(UTC) - timedelta(hours=messages)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["conversation", "speaker", "text", "at", "consent", "intent", "sentiment", "labeller"])
        for number, row in enumerate(rows):
            at = (began + timedelta(hours=number)).isoformat()
            conversation = f"c{number // A_CONVERSATION}"
            writer.writerow([conversation, "customer", row.text, at, "yes", row.intent, row.sentiment, "benchmark"])


def _timed(arguments: Sequence[str], environment: dict[str, str]) -> tuple[float, int]:
    """Run a command of `training`; its seconds and its exit code, which is 0 or the gate's refusal."""
    began = time.perf_counter()
    code = subprocess.run([sys.executable, "-m", "training", *arguments], env=environment, check=False).returncode
    if code not in (0, RefusedError.exit_code):
        raise RuntimeError(f"`training {arguments[0]}` ended with {code}: see what it said above")
    return time.perf_counter() - began, code


if __name__ == "__main__":
    sys.exit(main())
