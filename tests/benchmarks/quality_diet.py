"""Rasa's DIET with Rasa's default pipeline, trained and asked through Rasa's own API, in a process of its own.

`python -m tests.benchmarks.quality_diet TRAIN.csv TEST.csv OUT.csv SEED`; TRAIN has `text,label`, TEST `text`, OUT gets
`label,confidence,decision` a row, where the decision is Rasa's own: `nlu_fallback` below its default threshold.
"""

from __future__ import annotations

import asyncio
import csv
import re
import sys
import tempfile
from collections import defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

FALLBACK = "nlu_fallback"
ANNOTATION = re.compile(r"[\[\](){}\n\r]")


def main(training: Path, test: Path, output: Path, seed: int) -> None:
    """Train, parse each row, write."""
    from rasa.core.agent import Agent
    from rasa.model_training import train_nlu

    with tempfile.TemporaryDirectory(prefix="polydesk-diet-") as folder:
        names = _write_examples(training, Path(folder) / "nlu.yml")
        _write_pipeline(Path(folder) / "config.yml", seed)
        model = train_nlu(str(Path(folder) / "config.yml"), str(Path(folder) / "nlu.yml"), folder)
        if model is None:
            raise RuntimeError("Rasa made no model.")
        agent = Agent.load(model)
        with test.open(encoding="utf-8", newline="") as file:
            texts = [row["text"] for row in csv.DictReader(file)]
        parsed = asyncio.run(_parse(agent, texts))
    with output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "confidence", "decision"])
        writer.writerows(_answer(each, names) for each in parsed)


def _write_examples(training: Path, target: Path) -> dict[str, str]:
    """Write Rasa's YAML, whose intents have plain names: a slash means something else there. Returns their labels."""
    texts: dict[str, list[str]] = defaultdict(list)
    with training.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            texts[row["label"]].append(ANNOTATION.sub(" ", row["text"]))
    names = {f"label_{number}": label for number, label in enumerate(texts)}
    blocks = [
        {"intent": name, "examples": "".join(f"- {text}\n" for text in texts[label])} for name, label in names.items()
    ]
    target.write_text(yaml.safe_dump({"version": "3.1", "nlu": blocks}, allow_unicode=True), encoding="utf-8")
    return names


def _write_pipeline(target: Path, seed: int) -> None:
    """Write the pipeline that Rasa takes when none is named, with a seed."""
    default = files("rasa.engine.recipes.config_files").joinpath("default_config.yml").read_text(encoding="utf-8")
    pipeline = yaml.safe_load(default)["pipeline"]
    seeded = [{**step, "random_seed": seed} if step["name"] == "DIETClassifier" else step for step in pipeline]
    content = {"recipe": "default.v1", "assistant_id": "diet", "language": "en", "pipeline": seeded}
    target.write_text(yaml.safe_dump(content), encoding="utf-8")


async def _parse(agent: Any, texts: list[str]) -> list[dict[str, Any]]:
    return [await agent.parse_message(text) for text in texts]


def _answer(parsed: dict[str, Any], names: dict[str, str]) -> tuple[str, float, str]:
    best = next((each for each in parsed["intent_ranking"] if each["name"] != FALLBACK), {"name": "", "confidence": 0})
    fell_back = parsed["intent"]["name"] == FALLBACK
    label = names.get(best["name"], "")
    return label, float(best["confidence"]), FALLBACK if fell_back else label


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
