"""How the shipped adapters are made: three stages, as the design says; resumable, progress kept beside the output.

1. *start*: what an intent is, from the public intent data in English (CLINC150, bitext), `training/examples/`, and
   its folder `start`: messages to businesses of other fields;
2. *global*, from start: all languages of `training/examples/` and the sentiment of UMSAB's tweets, replaying bitext;
3. each market from global, on its own language's examples, held close to it, replaying the other markets'. Every
   other one of its held-back messages is learned from here, too; the rest calibrates and measures.
"""

from __future__ import annotations

import argparse
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nlu.markets import GLOBAL_ADAPTER, load_markets
from training.adapter import Provenance, finish
from training.commands import MARKET_SETTINGS, OTHER_FIELDS, OWN_EXAMPLES, run_with_bar
from training.dataset import Example, first_of_each_intent, read_examples, split
from training.disk import needing_room
from training.held_back import HELD_BACK, halves
from training.probe import probe_heads
from training.start import START, make_start
from training.train import Trainer, TrainingSettings

PUBLIC_DATA = Path("../shared/data")
GLOBAL_SETTINGS = TrainingSettings(epochs=2, replay_share=0.1)
BITEXT_ROWS_AN_INTENT = 100
TWEETS_A_MARKET = 250
# Of the start's batches. Our own have many messages in nine languages, which is what carries over to other languages.
OWN_SHARE, CLINC150_SHARE, FIELDS_SHARE = 0.2, 0.2, 0.6


@dataclass(frozen=True)
class Sources:
    """The rows to train on: our own, those of other fields' businesses by field, and of the public data those that are
    present and wanted."""

    own: list[Example]
    fields: list[list[Example]]
    held_back: list[Example]
    bitext: list[Example]
    clinc150: list[Example]
    umsab: list[Example]


@needing_room("The adapters in the output are whole; the same command goes on where this one stopped.")
def make_shipped_adapters(options: argparse.Namespace) -> None:
    """Make the start, the global adapter and the markets', or those asked for; one interrupted goes on."""
    sources = read_sources(without=options.without)
    folder: Path = options.output
    command = "python -m training adapters" + "".join(f" --without {name}" for name in options.without)
    markets = [row.adapter for row in load_markets() if row.adapter]
    wanted = set(options.only) or {START, GLOBAL_ADAPTER, *markets}
    scratch = Path("var/training")
    if START in wanted:
        _make_start(sources, folder, scratch, command)
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

    def public(name: str, pattern: str) -> list[Example]:
        files = sorted((data / name).glob(pattern)) if name not in without else []
        return [replace(example, source=name) for example in read_examples(files)] if files else []

    return Sources(
        [replace(example, source="examples") for example in own],
        [
            [replace(example, source=START) for example in read_examples([path])]
            for path in sorted(OTHER_FIELDS.glob("*.csv"))
        ],
        held_back,
        bitext=_thinned(public("bitext", "train.csv")),
        clinc150=[_renamed(example) for example in public("clinc150", "train.csv") if example.intent != "oos"],
        umsab=public("umsab", "*/train.csv"),
    )


def _thinned(examples: Sequence[Example]) -> list[Example]:
    """Keep some rows of each intent: bitext is made from templates, and more of them teach little more."""
    chance = random.Random(0)  # noqa: S311 - not for secrets
    rows = list(examples)
    chance.shuffle(rows)
    return [replace(example, language="en") for example in first_of_each_intent(rows, BITEXT_ROWS_AN_INTENT)]


def _renamed(example: Example) -> Example:
    """Keep another data set's labels apart from ours: they may have our names and mean other things."""
    return replace(example, intent=f"clinc150.{example.intent}", language="en")


def _make_start(sources: Sources, folder: Path, scratch: Path, command: str) -> None:
    families = [
        (OWN_SHARE, [*sources.own, *sources.bitext]),
        (CLINC150_SHARE, sources.clinc150),
        *((FIELDS_SHARE / len(sources.fields), field) for field in sources.fields),
    ]
    present = [(share, family) for share, family in families if family]
    provenance = Provenance(_counts([row for _, family in present for row in family]), f"{command} --only {START}")
    make_start(present, provenance=provenance, target=folder / START, scratch=scratch / f".{START}")


def _train_global(sources: Sources, folder: Path, scratch: Path, command: str) -> None:
    rows = [*sources.own, *sources.umsab]
    trainer = Trainer(
        rows,
        replay=sources.bitext,
        settings=GLOBAL_SETTINGS,
        init=folder / START,
        scratch=scratch / f".{GLOBAL_ADAPTER}",
        keep_progress=True,
    )
    probe_heads(trainer)
    run_with_bar(trainer, GLOBAL_ADAPTER)
    provenance = Provenance(_counts([*rows, *sources.bitext]), f"{command} --only {GLOBAL_ADAPTER}", START)
    target = folder / GLOBAL_ADAPTER
    finish(trainer, name=GLOBAL_ADAPTER, validation=sources.held_back, provenance=provenance, target=target)


def _counts(rows: Sequence[Example]) -> dict[str, int]:
    return dict(Counter(example.source for example in rows))


def _train_market(name: str, language: str, sources: Sources, folder: Path, scratch: Path, command: str) -> None:
    own = [example for example in sources.own if example.language == language]
    learned, validation = halves([example for example in sources.held_back if example.language == language])
    tweets = [example for example in sources.umsab if example.language == language]
    tweets = random.Random(0).sample(tweets, min(len(tweets), TWEETS_A_MARKET))  # noqa: S311 - not for secrets
    trainer = Trainer(
        [*own, *learned, *tweets],
        replay=[example for example in sources.own if example.language != language],
        settings=MARKET_SETTINGS,
        init=folder / GLOBAL_ADAPTER,
        scratch=scratch / f".{name}",
        keep_progress=True,
    )
    run_with_bar(trainer, name)
    provenance = Provenance(_counts(trainer.examples), f"{command} --only {name}", GLOBAL_ADAPTER)
    finish(trainer, name=name, validation=validation, provenance=provenance, target=folder / name)
