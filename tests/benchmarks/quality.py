"""`make bench-quality`: what is understood how well, side by side on the same rows; writes `docs/benchmarks.md`.

Every finished run is a line of `docs/figures/quality.jsonl`, so that a run that was cut off, or limited by `--hours`,
goes on with what is missing. A system that needs less than ten minutes for a task runs with three seeds; else one seed
has to do, with a bootstrap interval. Test rows are measured, never tuned on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tests.benchmarks.quality_report import write_report
from tests.benchmarks.quality_systems import SYSTEMS, System
from tests.benchmarks.quality_tasks import Answers, Rows, Task, all_tasks, quick_task

RESULTS = Path("docs/figures/quality.jsonl")
SCRATCH = Path("var/quality")
SEEDS = 3
SECONDS_FOR_MORE_SEEDS = 600
RESAMPLES = 1000
QUICK = ("svm", "frozen")


@dataclass(frozen=True)
class Result:
    """One run: figures by the name of the measure, each as [value, lower, upper] of the 95% bootstrap interval."""

    task: str
    system: str
    seed: int
    seconds: float
    figures: dict[str, list[float]]
    date: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing, then write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.quality", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="stop cleanly after that; the next run goes on")
    parser.add_argument("--systems", nargs="*", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--tasks", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--quick", action="store_true", help="a tiny task of our own, for the tests; no report")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE.jsonl")
    options = parser.parse_args(arguments)
    if options.quick:
        left_out = [name for name in options.systems if name not in QUICK]
        sys.stdout.write(f"Left out of the quick run, for they take minutes: {', '.join(left_out)}.\n")
        _run_all([quick_task()], QUICK, options.results, time.monotonic() + 3600 * options.hours, seeds=1)
        return 0
    tasks, reasons = all_tasks()
    sys.stdout.writelines(f"{reason}\n" for reason in reasons)
    chosen = [task for task in tasks if not options.tasks or task.name in options.tasks]
    ended = _run_all(chosen, options.systems, options.results, time.monotonic() + 3600 * options.hours, seeds=SEEDS)
    write_report(tasks, read_results(options.results))
    sys.stdout.write("Everything is measured.\n" if ended else "The time is up; the next run goes on.\n")
    return 0


def _run_all(tasks: Sequence[Task], systems: Sequence[str], results: Path, until: float, *, seeds: int) -> bool:
    """Run what has no result yet; False if the time was up before the end."""
    while missing := next(missing_runs(tasks, systems, read_results(results), seeds), None):
        task, system, seed = missing
        left = until - time.monotonic()
        if left <= 0:
            return False
        sys.stdout.write(f"{task.name}, {system}, seed {seed} …\n")
        sys.stdout.flush()
        try:
            result = run(task, system, SYSTEMS[system], seed, timeout=left)
        except subprocess.TimeoutExpired:
            return False
        keep_result(result, results)
    return True


def missing_runs(
    tasks: Sequence[Task], systems: Sequence[str], results: Sequence[Result], seeds: int
) -> Iterator[tuple[Task, str, int]]:
    """Give the runs without a result: the first seed, and the others where the first one was quick."""
    done = {(result.task, result.system, result.seed): result.seconds for result in results}
    for system in systems:
        for task in tasks:
            if system == "full" and not task.fine_tuned:
                continue
            first = done.get((task.name, system, 0))
            if first is None:
                yield task, system, 0
            elif first < SECONDS_FOR_MORE_SEEDS:
                yield from ((task, system, seed) for seed in range(1, seeds) if (task.name, system, seed) not in done)


def run(task: Task, name: str, system: System, seed: int, *, timeout: float) -> Result:
    """Let a system learn and answer, and measure it."""
    folder = SCRATCH / f"{task.name}-{name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    answers = system(task, seed, folder, timeout)
    seconds = time.perf_counter() - began
    figures = measured(task, answers)
    return Result(task.name, name, seed, round(seconds, 1), figures, f"{datetime.now(UTC):%Y-%m-%d}")


def measured(task: Task, answers: Answers) -> dict[str, list[float]]:
    """Return each measure with its 95% bootstrap interval over the test rows."""
    rows, chance = task.rows, np.random.default_rng(0)
    values: dict[str, list[list[float]]] = {name: [] for name in task.measures}
    for _ in range(RESAMPLES):
        drawn = chance.integers(0, len(rows.labels), len(rows.labels))
        part = Rows(rows.labels[drawn], rows.languages[drawn])
        own = Answers(answers.labels[drawn], answers.out_of_scope[drawn], answers.decisions[drawn])
        for name, measure in task.measures.items():
            values[name].append([measure(part, own)])
    return {
        name: [round(float(each), 2) for each in (measure(rows, answers), *np.quantile(values[name], (0.025, 0.975)))]
        for name, measure in task.measures.items()
    }


def read_results(path: Path) -> list[Result]:
    """Return the finished runs."""
    if not path.exists():
        return []
    return [Result(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def keep_result(result: Result, path: Path) -> None:
    """Add a finished run to the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


if __name__ == "__main__":
    sys.exit(main())
