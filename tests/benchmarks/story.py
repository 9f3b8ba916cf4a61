"""The operator's story of docs/retraining.md, told by the commands themselves: `python -m tests.benchmarks.story`.

In a copy of the project a month of the German shop (`october.csv`, written for this) is taken in, learned from, served,
and taken back. What the commands print stands in the document between its marks; nothing that serves is touched.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.apart import environment_in
from tests.benchmarks.marked_report import machine, write_between_marks

DOCUMENT = Path("docs/retraining.md")
ARCHIVE = Path("tests/benchmarks/october.csv")
MARKET, INTENT = "de-DE", "warranty_claim"
ASKED = "Die Naht an meiner Tasche ist aufgegangen, ist das ein Garantiefall?"
LINKED, LEFT = ("models", ".venv"), ("var", ".git")
KEPT_OF_A_PARSE = re.compile(r'"adapter": .*?"intent": \{.*?\}')


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell the story and write it down."""
    argparse.ArgumentParser(prog="python -m tests.benchmarks.story", description=__doc__).parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="polydesk-story-") as folder:
        copy = copied_project(Path(folder) / "polydesk")
        shutil.copy(ARCHIVE, copy / "october.csv")
        for part, lines in told(copy):
            sys.stdout.write("\n".join(lines) + "\n\n")
            sys.stdout.flush()
            mark = f"<!-- story: {part} -->"
            write_between_marks(DOCUMENT, mark, [mark, *lines, mark])
    return 0


def copied_project(target: Path) -> Path:
    """Copy the project without what is installed, which is linked, and what it has stored."""
    shutil.copytree(".", target, ignore=shutil.ignore_patterns(*LINKED, *LEFT, "__pycache__", ".*_cache"))
    for name in LINKED:
        if Path(name).exists():
            (target / name).symlink_to(Path(name).resolve())
    return target


def told(copy: Path) -> Iterator[tuple[str, list[str]]]:
    """Give each part of the story: its name, and its commands with what they printed, indented as code."""
    market = ["--market", MARKET]
    parse, retrain = ["nlu", "parse", ASKED, *market], ["training", "retrain", *market]
    ingest = ["training", "ingest", "october.csv", "--format", "csv", *market]
    yield "before", run(copy, parse)
    yield "ingest", [*run(copy, ingest), *run(copy, ingest)]
    yield "unknown", run(copy, retrain)
    teach_the_dialogue(copy)
    began, load = time.perf_counter(), os.getloadavg()[0]
    learned = run(copy, retrain)
    took = f"{time.perf_counter() - began:.0f} seconds"
    note = f"({took}; {datetime.now(UTC):%Y-%m-%d}, {machine()}, load {load:.1f} before, seed 0.)"
    yield "retrain", [*learned, "", note]
    yield "after", [*run(copy, parse), "", *run(copy, ["training", "explain", *market, ASKED])]
    back, listing = ["training", "rollback", *market], ["training", "releases", *market]
    yield "back", [line for command in (back, listing, retrain, [*back, "--to", "1"]) for line in run(copy, command)]


def run(copy: Path, arguments: Sequence[str]) -> list[str]:
    """Run a command and return it with what it printed; of a progress bar its end."""
    ended = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=copy,
        env={**environment_in(copy / "var"), "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    # Decoded here, since a text stream would make lines of a bar's states.
    printed = [line.split("\r")[-1].rstrip() for line in ended.stdout.decode().split("\n") if line.strip()]
    asked = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    code = [f"[{ended.returncode}]"] if ended.returncode else []
    return [f"    $ python -m {asked}", *(f"    {_shortened(line)}" for line in [*printed, *code])]


def teach_the_dialogue(copy: Path) -> None:
    """Do what the refusal says, as far as promotion asks for it: name the intent in domain.yml."""
    domain = copy / "domain.yml"
    text = domain.read_text(encoding="utf-8")
    domain.write_text(text.replace("intents:\n", f"intents:\n- {INTENT}\n", 1), encoding="utf-8")


def _shortened(line: str) -> str:
    """Keep of a parse who answered and the intent."""
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return line
    kept = KEPT_OF_A_PARSE.search(line)
    return f"… {kept[0]} …" if kept else line


if __name__ == "__main__":
    sys.exit(main())
