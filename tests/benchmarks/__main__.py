"""`make bench`: speed, start and memory of a running Polydesk, beside Rasa's starter bot in the same run.

Writes `docs/benchmarks.md`. Everything runs on this machine, one after the other, bounded in count.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.marked_report import REPORT, machine, write_between_marks
from tests.benchmarks.polydesk import measure_polydesk
from tests.benchmarks.starter_bot import measure_starter_bot
from tests.benchmarks.turns import CONVERSATION, Figures

ROWS = 2000
MARK = "<!-- speed -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--turns", type=int, default=200, help="turns measured of each bot")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="polydesk-bench-") as folder:
        throughput = measure_throughput(Path(folder))
        ours = measure_polydesk(Path(folder), turns=options.turns)
        theirs = measure_starter_bot(Path(folder), turns=options.turns)
    write_report(throughput, ours, theirs, load=load)
    sys.stdout.write(f"{REPORT} is written.\n")
    return 0


def measure_throughput(folder: Path) -> float:
    """Return messages a second of `nlu parse --input`, loading included."""
    from training.dataset import read_examples

    texts = [example.text for example in read_examples([Path("training/examples")])]
    source, target = folder / "in.csv", folder / "out.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        writer.writerows([text] for text in texts[:: max(1, len(texts) // ROWS)][:ROWS])
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "nlu", "parse", "--input", str(source), "--output", str(target)], check=True
    )
    return ROWS / (time.perf_counter() - began)


def write_report(throughput: float, ours: Figures, theirs: Figures, *, load: float) -> None:
    """Put the table between the marks of the report; what else stands there is left. `load` is the machine's before."""
    lines = [
        MARK,
        "## Speed, start and memory",
        "",
        f"`make bench`, {datetime.now(UTC):%Y-%m-%d}, {machine()}, load {load:.1f} before. Both bots one after the",
        f"other, in one run, {ours.turns} turns in conversations of {CONVERSATION}, one customer at a time. The",
        "starter bot is what `rasa init` makes (DIET and TED), over Rasa's REST channel; Polydesk is measured at the",
        "widget's socket, its database included.",
        "",
        "| | Polydesk | Rasa's starter bot | ratio |",
        "|---|---|---|---|",
        _row("a turn, median (ms)", ours.median, theirs.median),
        _row("a turn, 95th percentile (ms)", ours.p95, theirs.p95),
        _row("from start to the first answer (s)", ours.start, theirs.start),
        _row("memory of all processes (MB)", ours.memory, theirs.memory),
        "",
        f"`python -m nlu parse --input` on {ROWS:,} messages of nine languages: {throughput:.0f} messages a second,",
        "loading included.",
        MARK,
    ]
    write_between_marks(REPORT, MARK, lines)


def _row(name: str, ours: float, theirs: float) -> str:
    return f"| {name} | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} |"


if __name__ == "__main__":
    sys.exit(main())
