"""Writes the quality benchmark's table and plot: `docs/benchmarks.md` between its marks, `docs/figures/quality.svg`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open

from nlu.adapters import ADAPTERS_FOLDER, PEFT_WEIGHTS
from nlu.encoder import find_encoder
from tests.benchmarks.marked_report import REPORT, write_between_marks
from tests.benchmarks.quality_systems import TITLES
from tests.benchmarks.quality_tasks import Task
from training.start import START

if TYPE_CHECKING:
    from tests.benchmarks.quality import Result

PLOT = Path("docs/figures/quality.svg")
MARK = "<!-- quality -->"
MISSING = "–"


def write_report(tasks: Sequence[Task], results: Sequence[Result]) -> None:
    """Put table and plot in place of the older ones; what else stands in the file is left."""
    header = ["benchmark", "measure", *TITLES.values(), "goal", "published"]
    lines = [
        MARK,
        "## How well it understands",
        "",
        "`make bench-quality`: everything trained and measured here, on the same rows. Mean of three seeds ± their",
        "standard deviation; one seed with the 95% bootstrap interval where a run takes ten minutes or more, or the",
        "others have not run yet. Thresholds are each system's own, found without the test rows; – is not run (yet).",
        "",
        f"| {' | '.join(header)} |",
        "|---" * len(header) + "|",
        *(_row(task, measure, results) for task in tasks for measure in task.measures),
        "",
        f"![the first measure of each benchmark]({PLOT.relative_to(REPORT.parent)})",
        "",
        *_against_full(tasks, results),
        MARK,
    ]
    _plot(tasks, results)
    write_between_marks(REPORT, MARK, lines)


def _against_full(tasks: Sequence[Task], results: Sequence[Result]) -> list[str]:
    """Return how the adapter stands to the training of all weights, where both were measured with the same seeds."""
    lines = []
    for task in tasks:
        ours = {run.seed: run for run in _runs(task, "ours", results)}
        full = {run.seed: run for run in _runs(task, "full", results)}
        both = sorted(ours.keys() & full.keys())
        if both:
            time = sum(ours[seed].seconds for seed in both) / sum(full[seed].seconds for seed in both)
            for measure in task.measures:
                gap = statistics.mean(ours[seed].figures[measure][0] - full[seed].figures[measure][0] for seed in both)
                lines.append(f"| {task.title} | {measure} | {gap:+.1f} | {time:.1f} |")
    if not lines:
        return []
    return [
        f"Ours against full fine-tuning: {100 * trained_share():.1f}% of the weights are trained. `train` fits twice,",
        "the first time to calibrate; full fine-tuning once.",
        "",
        "| benchmark | measure | difference | time against full |",
        "|---|---|---|---|",
        *lines,
        "",
    ]


def trained_share() -> float:
    """Return how many weights an adapter has, as a share of the encoder's."""
    return _weights(ADAPTERS_FOLDER / START / PEFT_WEIGHTS) / _weights(Path(find_encoder()) / "model.safetensors")


def _weights(path: Path) -> int:
    with safe_open(path, framework="np") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 - not a dict


def _row(task: Task, measure: str, results: Sequence[Result]) -> str:
    cells = [_cell(_runs(task, system, results), measure) for system in TITLES]
    goal = task.goals.get(measure, MISSING)
    return f"| {task.title} | {measure} | {' | '.join(cells)} | {goal} | {task.published} |"


def _runs(task: Task, system: str, results: Sequence[Result]) -> list[Result]:
    return [result for result in results if (result.task, result.system) == (task.name, system)]


def _cell(runs: Sequence[Result], measure: str) -> str:
    figures = [run.figures[measure] for run in runs if measure in run.figures]
    if not figures:
        return MISSING
    if len(figures) == 1:
        value, low, high = figures[0]
        return f"{value:.1f} [{low:.1f}, {high:.1f}]"
    values = [value for value, _, _ in figures]
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"


def _plot(tasks: Sequence[Task], results: Sequence[Result]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.75 * len(tasks)))
    height = 0.8 / len(TITLES)
    for place, (system, title) in enumerate(TITLES.items()):
        points = []
        for line, task in enumerate(tasks):
            measure = next(iter(task.measures))
            values = [run.figures[measure][0] for run in _runs(task, system, results) if measure in run.figures]
            points += [(line + (place - 2) * height, statistics.mean(values))] if values else []
        axes.barh([y for y, _ in points], [x for _, x in points], height=height, label=title)
    names = [f"{task.title}\n{next(iter(task.measures))}" for task in tasks]
    axes.set_yticks(range(len(tasks)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.4, -0.05), ncol=3, frameon=False)
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "quality"
    figure.savefig(PLOT, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
