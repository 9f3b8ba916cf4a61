"""Archives taken in: time and memory as they grow. `python -m tests.benchmarks.archive --messages 1000000 --write`.

Each size is one `python -m training ingest` into an empty SQLite database: conversations of 25 messages of ours, each
with a number of its own and, now and then, an e-mail address to be redacted. Memory is the process's at its highest.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from tests.benchmarks.apart import environment_in
from tests.benchmarks.marked_report import REPORT, machine, write_between_marks
from tests.benchmarks.turns import memory_of
from training.dataset import read_examples

MARK = "<!-- archive -->"
SMALLER = (100, 10, 1)  # the sizes are the largest one divided by these
CONVERSATION = 25
EVERY_ADDRESS = 20


@dataclass(frozen=True)
class Taken:
    """One archive taken in: messages, seconds, and the process's memory at its highest in MB."""

    messages: int
    seconds: float
    memory: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the report if asked to."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.archive", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, help="of the largest archive")
    parser.add_argument("--write", action="store_true", help=f"put the table into {REPORT}")
    options = parser.parse_args(arguments)
    lines = ["| messages | seconds | messages a second | memory at its highest (MB) |", "|---|---|---|---|"]
    for smaller in SMALLER:
        taken = take_in(options.messages // smaller)
        lines.append(_row(taken))
        sys.stdout.write(lines[-1] + "\n")
        sys.stdout.flush()
    if options.write:
        command = f"`python -m tests.benchmarks.archive --messages {options.messages}`"
        load = f"load {os.getloadavg()[0]:.1f} at the end"
        head = f"{command}, {datetime.now(UTC):%Y-%m-%d}, {machine()}, {load}."
        write_between_marks(REPORT, MARK, [MARK, "## Archives taken in", "", head, "", *lines, MARK])
    return 0


def take_in(messages: int) -> Taken:
    """Make an archive of that many messages and take it in."""
    with tempfile.TemporaryDirectory(prefix="polydesk-archive-") as folder:
        archive = Path(folder) / "archive.jsonl"
        write_archive(archive, messages)
        command = [sys.executable, "-m", "training", "ingest", str(archive), "--format", "jsonl", "--market", "en-US"]
        began = time.perf_counter()
        with (Path(folder) / "out.json").open("w+") as output:
            process = subprocess.Popen(command, env=environment_in(folder), stdout=output, stderr=subprocess.DEVNULL)
            memory = _highest_memory(process)
            seconds = time.perf_counter() - began
            output.seek(0)
            told = json.load(output)
    if process.returncode or told["messages"] != messages:
        raise RuntimeError(f"{messages} messages were written, and the command told {told}")
    return Taken(messages, seconds, memory)


def write_archive(path: Path, messages: int) -> None:
    """Write JSON lines of our messages, each one different."""
    texts = [row.text for row in read_examples([Path("training/examples/en.yml")])]
    with path.open("w", encoding="utf-8") as file:
        for number in range(messages):
            address = f" write to customer{number}@example.com" if number % EVERY_ADDRESS == 0 else ""
            text = f"{texts[number % len(texts)]} {number}{address}"
            row = {"conversation": f"c{number // CONVERSATION}", "speaker": "customer", "text": text, "consent": "yes"}
            file.write(json.dumps(row) + "\n")


def _highest_memory(process: subprocess.Popen[bytes]) -> float:
    highest = 0.0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            highest = max(highest, memory_of(watched))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.1)
    process.wait()
    return highest


def _row(taken: Taken) -> str:
    rate = taken.messages / taken.seconds
    return f"| {taken.messages:,} | {taken.seconds:.0f} | {rate:.0f} | {taken.memory:.0f} |"


if __name__ == "__main__":
    sys.exit(main())
