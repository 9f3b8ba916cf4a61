"""Which technique of training pays: each alone against the plain one, on HINT3's subset and on our own messages.

`python -m tests.benchmarks.ablation [--hours N]` writes its table into `docs/benchmarks.md`. Finished runs are lines
of `docs/figures/ablation.jsonl`; the next run goes on with what is missing. Rows that are measured are not trained on.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.marked_report import REPORT, write_between_marks
from tests.benchmarks.quality import Result, keep_result, read_results
from tests.benchmarks.quality_tasks import Task, accuracy, all_tasks
from training.adapter import uncalibrated
from training.augment import DEFAULT_KINDS
from training.dataset import OUT_OF_SCOPE, read_examples
from training.predict import pool
from training.probe import probe_heads
from training.start import default_start
from training.train import Trainer, TrainingSettings

RESULTS = Path("docs/figures/ablation.jsonl")
SCRATCH = Path("var/ablation")
MARK = "<!-- ablation -->"
SEEDS = 3
ROWS_AN_INTENT = 15
STEPS = 100
T_95 = 4.303  # Student's t, two degrees of freedom
PLAIN = "plain"


@dataclass(frozen=True)
class Technique:
    """What differs from the plain training: settings, where the adapter begins, where the heads begin."""

    settings: dict[str, Any] = field(default_factory=dict)
    from_start: bool = False
    probed: bool = False


TECHNIQUES = {
    PLAIN: Technique(),
    "begins from the start": Technique(from_start=True),
    "heads begin from a regression": Technique(probed=True),
    "start and regression": Technique(from_start=True, probed=True),
    "start, regression, half of the way back": Technique({"way_back": 0.5}, from_start=True, probed=True),
    "start, regression, no dropout": Technique({"dropout": 0.0}, from_start=True, probed=True),
    "start, regression, no weight decay": Technique({"weight_decay": 0.0}, from_start=True, probed=True),
    "start, regression, no augmentation": Technique({"augmentation_share": 0.0}, from_start=True, probed=True),
    "start, regression, no label smoothing": Technique({"label_smoothing": 0.0}, from_start=True, probed=True),
    "no label smoothing": Technique({"label_smoothing": 0.0}),
    "no dropout": Technique({"dropout": 0.0}),
    "no weight decay": Technique({"weight_decay": 0.0}),
    "no augmentation": Technique({"augmentation_share": 0.0}),
    "augmentation: transliteration too": Technique({"augmentations": (*DEFAULT_KINDS, "transliteration")}),
    "augmentation: code-switching too": Technique({"augmentations": (*DEFAULT_KINDS, "code_switching")}),
    "augmentation: placeholders too": Technique({"augmentations": (*DEFAULT_KINDS, "placeholders")}),
    "supervised contrastive loss": Technique({"contrast": 0.2}),
    "FGM": Technique({"adversarial": 0.5}),
    "early stopping": Technique({"patience": 3}),
    "AdaLoRA": Technique({"method": "adalora"}),
    "IA3": Technique({"method": "ia3", "learning_rate": 5e-3}),
    "prefix tuning": Technique({"method": "prefix", "learning_rate": 5e-3}),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ablation", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="begin no run after that; the next one goes on")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each training")
    parser.add_argument("--techniques", nargs="*", choices=list(TECHNIQUES), default=list(TECHNIQUES), metavar="NAME")
    options = parser.parse_args(arguments)
    tasks = [*(task for task in all_tasks()[0] if task.name == "hint3-subset"), own_messages()]
    until = time.monotonic() + 3600 * options.hours
    for task, technique, seed in missing(tasks, options.techniques, read_results(RESULTS)):
        if time.monotonic() > until:
            sys.stdout.write("The time is up; the next run goes on.\n")
            break
        sys.stdout.write(f"{task.name}, {technique}, seed {seed} …\n")
        sys.stdout.flush()
        keep_result(run(task, technique, seed, options.steps), RESULTS)
    write_between_marks(REPORT, MARK, table(tasks, read_results(RESULTS), options.steps))
    return 0


def own_messages() -> Task:
    """Return our English and German messages: a few an intent to learn, those of other writers to measure."""
    training, test = [], []
    for language in ("de", "en"):
        known = read_examples([Path(f"training/examples/{language}.yml")])
        intents = sorted({row.intent for row in known if row.intent and row.intent != OUT_OF_SCOPE})
        for intent in intents:
            training += [row for row in known if row.intent == intent][:ROWS_AN_INTENT]
        test += read_examples([Path(f"training/examples/held_back/{language}.yml")])
    kept = [replace(row, sentiment=None) for row in test if row.intent != OUT_OF_SCOPE]
    learned = [replace(row, sentiment=None) for row in training]
    return Task("own", "our messages, de and en", learned, kept, {"accuracy": accuracy}, {}, "none")


def missing(
    tasks: Sequence[Task], techniques: Sequence[str], results: Sequence[Result]
) -> Iterator[tuple[Task, str, int]]:
    """Give the runs without a result, all techniques with one seed before any with the next."""
    done = {(result.task, result.system, result.seed) for result in results}
    for seed in range(SEEDS):
        for task in tasks:
            for technique in techniques:
                if (task.name, technique, seed) not in done:
                    yield task, technique, seed


def run(task: Task, technique: str, seed: int, steps: int) -> Result:
    """Train with one technique, and measure the in-scope accuracy of the head itself."""
    began = time.perf_counter()
    epochs = max(1, round(steps * TrainingSettings().batch_size / len(task.training)))
    chosen = TECHNIQUES[technique]
    settings = replace(TrainingSettings(epochs=epochs, seed=seed), **chosen.settings)
    trainer = Trainer(
        task.training,
        settings=settings,
        init=default_start(settings.method) if chosen.from_start else None,
        scratch=SCRATCH / f"{task.name}-{technique}-{seed}",
    )
    if chosen.probed:
        probe_heads(trainer)
    for _ in trainer.steps():
        pass
    pooled = pool(trainer.network.body, trainer.tokenizer, [row.text for row in task.test])
    labels = np.array(trainer.intents)[uncalibrated(trainer).intent_logits(pooled).argmax(axis=1)]
    inside = task.rows.inside
    value = round(100 * float((labels == task.rows.labels)[inside].mean()), 2)
    seconds = round(time.perf_counter() - began, 1)
    return Result(task.name, technique, seed, seconds, {"accuracy": [value]}, f"{datetime.now(UTC):%Y-%m-%d}")


def table(tasks: Sequence[Task], results: Sequence[Result], steps: int) -> list[str]:
    """Return the lines: a technique's accuracy less the plain one's of the same seed, with a 95% interval."""
    header = ["technique", *(f"{task.title}: difference" for task in tasks), "time against plain"]
    lines = [
        MARK,
        "## Which technique pays",
        "",
        f"`python -m tests.benchmarks.ablation`: {steps} steps, {SEEDS} seeds. In-scope accuracy less that of the",
        "plain one with the same seed, which begins from nothing; 95% interval by Student's t over the seeds. The",
        "start has learned from all of our own messages: only HINT3 tells what it is worth to others.",
        "",
        f"| {' | '.join(header)} |",
        "|---" * len(header) + "|",
    ]
    for technique in TECHNIQUES:
        cells = [_cell(results, task, technique) for task in tasks]
        lines.append(f"| {technique} | {' | '.join(cells)} | {_time(results, technique)} |")
    return [*lines, MARK]


def _by_seed(results: Sequence[Result], task: Task, technique: str) -> dict[int, float]:
    runs = [result for result in results if (result.task, result.system) == (task.name, technique)]
    return {result.seed: result.figures["accuracy"][0] for result in runs}


def _cell(results: Sequence[Result], task: Task, technique: str) -> str:
    """Return the plain accuracy in parentheses, the other techniques' difference from it."""
    values, plain = _by_seed(results, task, technique), _by_seed(results, task, PLAIN)
    gaps = [values[seed] - plain[seed] for seed in sorted(values.keys() & plain.keys())]
    if not gaps:
        return "–"
    if technique == PLAIN:
        return f"({statistics.mean(plain.values()):.1f})"
    if len(gaps) < SEEDS:
        return f"{statistics.mean(gaps):+.1f} ({len(gaps)} of {SEEDS} seeds)"
    return f"{statistics.mean(gaps):+.1f} ± {T_95 * statistics.stdev(gaps) / len(gaps) ** 0.5:.1f}"


def _time(results: Sequence[Result], technique: str) -> str:
    plain = {(result.task, result.seed): result.seconds for result in results if result.system == PLAIN}
    own = {(result.task, result.seed): result.seconds for result in results if result.system == technique}
    both = plain.keys() & own.keys()
    return f"{sum(own[run] for run in both) / sum(plain[run] for run in both):.1f}" if both else "–"


if __name__ == "__main__":
    sys.exit(main())
