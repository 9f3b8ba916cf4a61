"""The report that benchmarks share, `docs/benchmarks.md`: each writes between marks of its own, and on what machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import psutil

REPORT = Path("docs/benchmarks.md")


def machine() -> str:
    """Return what the figures were taken on: cores, memory, processor."""
    return f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GB, {platform.machine()}"


def write_between_marks(path: Path, mark: str, lines: Sequence[str]) -> None:
    """Replace what stands between two marks, which are the first and the last line, or add it at the end."""
    text = path.read_text(encoding="utf-8") if path.exists() else "# Benchmarks\n\n"
    before, found, rest = text.partition(mark)
    after = rest.partition(mark)[2] if found else "\n"
    gap = "" if found or before.endswith("\n\n") else "\n"
    path.write_text(before + gap + "\n".join(lines) + after, encoding="utf-8")
