"""The report's plots, as SVG that stands in the page itself. Touches nothing."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes  # type: ignore[import-untyped]
from matplotlib.figure import Figure  # type: ignore[import-untyped]
from numpy.typing import NDArray

BINS = 10
BLUE, GREY = "#2a5db0", "#9aa0a6"

Curve = tuple[NDArray[np.float64], NDArray[np.bool_]]


def calibration_plots(curves: Mapping[str, Curve], *, columns: int = 5) -> str:
    """Draw, for each language, how often answers of a certainty are right; `curves` hold certainties and successes."""
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(2.2 * columns, 2.3 * rows))
    for place, (language, (certainty, right)) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        _reliability(axes, certainty, right)
        axes.set_title(f"{language} ({len(right)})", fontsize=9)
    return _svg(figure)


def confusion_plot(truth: NDArray[np.str_], decisions: NDArray[np.str_]) -> str:
    """Draw which label was taken for which; shares of each row's label."""
    labels = sorted(set(truth) | set(decisions))
    index = {label: place for place, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)))
    for true, decided in zip(truth, decisions, strict=True):
        counts[index[true], index[decided]] += 1
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    size = 2.5 + 0.2 * len(labels)
    figure = Figure(figsize=(size + 1, size))
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.set_xlabel("decided")
    axes.set_ylabel("label")
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, int(counts[row, column]), ha="center", va="center", fontsize=6, color=colour)
    return _svg(figure)


def _reliability(axes: Axes, certainty: NDArray[np.float64], right: NDArray[np.bool_]) -> None:
    bins = np.minimum((certainty * BINS).astype(int), BINS - 1)
    present = np.unique(bins)
    x = [float(certainty[bins == each].mean()) for each in present]
    y = [float(right[bins == each].mean()) for each in present]
    sizes = [4 + 60 * float((bins == each).mean()) for each in present]
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    axes.scatter(x, y, s=sizes, color=BLUE)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.tick_params(labelsize=6)


def _svg(figure: Figure) -> str:
    """Return a figure as an `<svg>` element, the same for the same figure."""
    figure.tight_layout()
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    content = buffer.getvalue()
    return content[content.index("<svg") :]
