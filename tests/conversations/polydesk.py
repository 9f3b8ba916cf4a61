"""Everything at once, as `make run` starts it: edge, Rasa with the real adapters, actions, a demo shop of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.engine import Engine

from actions.database import open_engine, reading
from actions.tables import OrderRow, PaymentRow, ShipmentRow
from tests.benchmarks.kills import BACK_WITHIN, healthy
from tests.benchmarks.launched import launched

ANSWERS_WITHIN = 60.0  # seconds
IDENTITY_SECRET = "signs the customers of the conversations"


@dataclass(frozen=True)
class Polydesk:
    """A running Polydesk: where it answers, its database, and its launcher's process id."""

    url: str
    engine: Engine
    launcher: int

    def order(self, market: str, status: str, *, payment: str = "paid") -> OrderRow:
        """Return an order of the demo shop to which nothing else has happened."""
        query = select(OrderRow).where(OrderRow.market == market, OrderRow.status == status, ~OrderRow.refunds.any())
        query = query.where(~OrderRow.payments.any(PaymentRow.status != payment))
        query = query.where(~OrderRow.shipments.any(ShipmentRow.status.in_(("held", "lost"))))
        with reading(self.engine) as session:
            order = session.scalars(query.order_by(OrderRow.placed_at.desc(), OrderRow.id)).first()
            assert order is not None, f"the demo shop has no {status} order in {market}"
            return order

    def rows(self, table: Any, *conditions: Any) -> list[Any]:
        """Return the rows of a table that meet the conditions."""
        with reading(self.engine) as session:
            found = session.execute(select(table).where(*conditions))
            return list(found if isinstance(table, Table) else found.scalars())

    def wait_until_healthy(self) -> None:
        """Wait until all three processes answer."""
        deadline = time.monotonic() + BACK_WITHIN
        while not healthy(self.url):
            assert time.monotonic() < deadline, "Polydesk is not healthy again"
            time.sleep(0.2)


@contextmanager
def running_polydesk(var: Path) -> Iterator[Polydesk]:
    """Run everything, with its database and files in the folder `var`."""
    database = f"sqlite:///{var / 'polydesk.db'}"
    with launched(var, database, POLYDESK_IDENTITY_SECRET=IDENTITY_SECRET) as one:
        engine = open_engine(database)
        yield Polydesk(one.url, engine, one.launcher)
        engine.dispose()
