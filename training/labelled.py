"""The labelled messages of a name's markets, as training and gate want them. Reads the database that the bot has.

Test rows are the youngest and of customers of their own (`training/splits.py`), so they may judge what was trained on
the others; earlier releases may have learned from the same customers, so the gate asks for `unknown_to` both sides.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import inspect, select
from sqlalchemy.engine import Engine

from actions.database import open_engine, reading
from bot.settings import read_settings
from nlu.markets import Market, load_markets
from training.dataset import Example
from training.labels import LabelledMessage, labelled_messages
from training.lineage import Trusted
from training.splits import Splits, split_by_customer_and_time
from training.tables import labels, transcripts

IDS_A_QUERY = 500  # a database takes only so many


def markets_served_by(name: str) -> list[Market]:
    """Return the markets that an adapter's name serves."""
    return [market for market in load_markets() if market.adapter == name]


def own_engine() -> Engine:
    """Open the database that the environment names, as the bot does; nothing is made in it."""
    return open_engine(read_settings(os.environ).database_url)


def has_labels(engine: Engine) -> bool:
    """Say whether the database has the training loop's tables, which the bot or `ingest` makes."""
    return bool(inspect(engine).has_table(labels.name))


def labelled_rows(
    engine: Engine, markets: Sequence[str], trusted: Trusted, *, until: datetime | None = None
) -> Splits[LabelledMessage]:
    """Return the markets' messages as they were labelled by `until`, split; without batches that were taken back."""
    if not has_labels(engine):
        return Splits([], [], [], left_out=0)
    rows = [row for market in markets for row in labelled_messages(engine, market, until=until)]
    kept = (row for row in rows if not trusted.was_taken_back(row.transcript, row.labelled_at))
    return split_by_customer_and_time(kept)


def unknown_to(engine: Engine, learned: Collection[int], rows: Sequence[LabelledMessage]) -> list[LabelledMessage]:
    """Return the rows whose customers wrote none of the transcripts `learned`."""
    ids, known = sorted(learned), set[str]()
    with reading(engine) as session:
        for start in range(0, len(ids), IDS_A_QUERY):
            some = transcripts.c.id.in_(ids[start : start + IDS_A_QUERY])
            known.update(session.scalars(select(transcripts.c.customer).where(some)))
    return [row for row in rows if row.customer not in known]


def as_examples(rows: Sequence[LabelledMessage], language: str) -> list[Example]:
    """Return what training needs of the rows; those whose language is unknown get that of their market."""
    examples = [row.as_example() for row in rows]
    return [
        Example(row.text, row.intent, row.sentiment, row.language or language, row.source) for row in examples
    ]
