"""The labelled messages of a name's markets, as training and gate want them. Reads the database that the bot has.

Test rows are the youngest and of customers of their own (`training/splits.py`), so they may judge what was trained on
the others.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import inspect
from sqlalchemy.engine import Engine

from actions.database import open_engine
from bot.settings import read_settings
from nlu.markets import Market, load_markets
from training.dataset import Example
from training.labels import LabelledMessage, labelled_messages
from training.splits import Splits, split_by_customer_and_time
from training.tables import labels


def markets_served_by(name: str) -> list[Market]:
    """Return the markets that an adapter's name serves."""
    return [market for market in load_markets() if market.adapter == name]


def own_engine() -> Engine:
    """Open the database that the environment names, as the bot does; nothing is made in it."""
    return open_engine(read_settings(os.environ).database_url)


def labelled_rows(engine: Engine, markets: Sequence[str], *, until: datetime | None = None) -> Splits[LabelledMessage]:
    """Return the markets' labelled messages, split; without those whose labels are younger than `until`."""
    if not inspect(engine).has_table(labels.name):
        return Splits([], [], [], left_out=0)
    rows = [row for market in markets for row in labelled_messages(engine, market)]
    return split_by_customer_and_time(row for row in rows if until is None or row.labelled_at <= until)


def as_examples(rows: Sequence[LabelledMessage], language: str) -> list[Example]:
    """Return what training needs of the rows; those whose language is unknown get that of their market."""
    examples = [row.as_example() for row in rows]
    return [
        Example(row.text, row.intent, row.sentiment, row.language or language, row.source) for row in examples
    ]
