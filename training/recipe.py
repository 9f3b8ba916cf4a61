"""How the shipped adapters are made: three stages, as the design says; resumable, progress kept beside the output.

1. *stage one*: the public data, customer requests in English (bitext) and sentiment in eight languages (UMSAB);
2. *global*: all languages of `training/examples/` together, replaying a part of stage one's rows;
3. each market from global, on its own language's examples, held close to it, replaying the other markets'. Every
   other one of its held-back messages is learned from here, too; the rest calibrates and measures.
"""

from __future__ import annotations

import argparse
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nlu.markets import GLOBAL_ADAPTER, load_markets
from training.adapter import Lineage, finish
from training.commands import MARKET_SETTINGS, OWN_EXAMPLES, run_with_bar
from training.dataset import Example, read_examples, split
from training.train import Trainer, TrainingSettings

PUBLIC_DATA = Path("../shared/data")
HELD_BACK = OWN_EXAMPLES / "held_back"
STAGE_ONE = "stage-one"
STAGE_ONE_SETTINGS = TrainingSettings(epochs=2, learning_rate=6e-4)
GLOBAL_SETTINGS = TrainingSettings(epochs=5, learning_rate=8e-4, replay_share=0.2)
BITEXT_ROWS_AN_INTENT = 100
TWEETS_A_MARKET = 250


@dataclass(frozen=True)
class Sources:
    """The rows to train on: our own, and of the public data those that are present and wanted."""

    own: list[Example]
    held_back: list[Example]
    public: list[Example]

    def counts(self) -> dict[str, int]:
        """Return the number of rows by source, for the model card."""
        public = Counter("bitext" if example.intent else "umsab" for example in self.public)
        return {"examples": len(self.own), **public}


def make_shipped_adapters(options: argparse.Namespace) -> None:
    """Train stage one, the global adapter and the markets', leaving out those that are finished or not asked for."""
    sources = read_sources(without=options.without)
    folder: Path = options.output
    command = "python -m training adapters" + "".join(f" --without {name}" for name in options.without)
    wanted = set(options.only) or {GLOBAL_ADAPTER, *(row.code for row in load_markets() if row.adapter)}
    scratch = Path("var/training")
    if GLOBAL_ADAPTER in wanted:
        _train_global(sources, folder, scratch, command)
    for market in load_markets():
        if market.adapter is not None and market.adapter in wanted:
            _train_market(market.adapter, market.language, sources, folder, scratch, command)


def read_sources(*, without: Sequence[str] = ()) -> Sources:
    """Read our examples, and the public data below `POLYDESK_DATA` where they are present."""
    own = read_examples([OWN_EXAMPLES])
    held_back = read_examples([HELD_BACK]) if HELD_BACK.exists() else []
    if not held_back:
        own, held_back = split(own, share=0.1, seed=0)
    data = Path(os.environ.get("POLYDESK_DATA", PUBLIC_DATA))
    public: list[Example] = []
    if "bitext" not in without and (data / "bitext").exists():
        public += _thinned(read_examples([data / "bitext" / "train.csv"]))
    if "umsab" not in without and (data / "umsab").exists():
        public += read_examples(sorted((data / "umsab").glob("*/train.csv")))
    return Sources(own, held_back, public)


def _thinned(examples: Sequence[Example]) -> list[Example]:
    """Keep some rows of each intent: bitext is made from templates, and more of them teach little more."""
    chance = random.Random(0)  # noqa: S311 - not for secrets
    rows = list(examples)
    chance.shuffle(rows)
    kept: Counter[str | None] = Counter()
    chosen = []
    for example in rows:
        kept[example.intent] += 1
        if kept[example.intent] <= BITEXT_ROWS_AN_INTENT:
            chosen.append(Example(example.text, example.intent, example.sentiment, "en", "bitext"))
    return chosen


def _train_global(sources: Sources, folder: Path, scratch: Path, command: str) -> None:
    start = None
    if sources.public:
        start = scratch / STAGE_ONE
        if not (start / "manifest.json").exists():
            stage = Trainer(sources.public, settings=STAGE_ONE_SETTINGS, scratch=scratch / ".stage-one")
            run_with_bar(stage, STAGE_ONE)
            finish(stage, name=STAGE_ONE, validation=sources.public[:500], lineage=Lineage({}, command), target=start)
    trainer = Trainer(
        sources.own, replay=sources.public, settings=GLOBAL_SETTINGS, init=start, scratch=scratch / ".global"
    )
    run_with_bar(trainer, GLOBAL_ADAPTER)
    lineage = Lineage(sources.counts(), command, parent=STAGE_ONE if start else None)
    finish(
        trainer, name=GLOBAL_ADAPTER, validation=sources.held_back, lineage=lineage, target=folder / GLOBAL_ADAPTER
    )


def _train_market(name: str, language: str, sources: Sources, folder: Path, scratch: Path, command: str) -> None:
    own = [example for example in sources.own if example.language == language]
    held_back = sorted(
        (example for example in sources.held_back if example.language == language),
        key=lambda example: (example.intent or "", example.sentiment or ""),
    )
    learned, validation = held_back[::2], held_back[1::2]
    tweets = [example for example in sources.public if example.language == language and not example.intent]
    tweets = random.Random(0).sample(tweets, min(len(tweets), TWEETS_A_MARKET))  # noqa: S311 - not for secrets
    trainer = Trainer(
        [*own, *learned, *tweets],
        replay=[example for example in sources.own if example.language != language],
        settings=MARKET_SETTINGS,
        init=folder / GLOBAL_ADAPTER,
        scratch=scratch / f".{name}",
    )
    run_with_bar(trainer, name)
    lineage = Lineage(dict(Counter(e.source for e in trainer.examples)), f"{command} --only {name}", GLOBAL_ADAPTER)
    finish(trainer, name=name, validation=validation, lineage=lineage, target=folder / name)
