"""Everything at once, as `make run` starts it: edge, Rasa with the real adapters, actions, a demo shop of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import Table, select
from sqlalchemy.engine import Engine

from actions.database import open_engine, reading
from actions.tables import OrderRow, PaymentRow, ShipmentRow
from tests.services import free_port

STARTS_WITHIN = 240.0  # seconds
ANSWERS_WITHIN = 60.0


@dataclass
class Polydesk:
    """A running Polydesk: where it answers, its database, the folder of its logs, and the launcher's process id."""

    url: str
    engine: Engine
    logs: Path
    process_id: int

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

    def process(self, *arguments: str) -> psutil.Process:
        """Return the launcher's child that was started with these arguments."""
        children = psutil.Process(self.process_id).children(recursive=True)
        return next(child for child in children if set(arguments) <= set(child.cmdline()))

    def wait_until_healthy(self, *, within: float = STARTS_WITHIN) -> None:
        """Wait until all three processes answer; raises `TimeoutError`, also as soon as the launcher has ended."""
        launcher = psutil.Process(self.process_id)
        deadline = time.monotonic() + within
        with httpx.Client(base_url=self.url, trust_env=False, timeout=5) as http:
            while not _is_healthy(http):
                if time.monotonic() > deadline or launcher.status() == psutil.STATUS_ZOMBIE:
                    raise TimeoutError(f"Polydesk does not answer; its logs are in {self.logs}")
                time.sleep(0.2)


def _is_healthy(http: httpx.Client) -> bool:
    try:
        return http.get("/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@contextmanager
def running_polydesk(var: Path) -> Iterator[Polydesk]:
    """Run everything, with its database and files in the folder `var`, and end it as a service manager does."""
    port = free_port()
    database = f"sqlite:///{var / 'polydesk.db'}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("POLYDESK_")},
        "PORT": str(port),
        "DATABASE_URL": database,
        "POLYDESK_VAR": str(var),
    }
    with (var / "run.log").open("w") as output:
        process = subprocess.Popen([sys.executable, "-m", "bot", "run"], env=environment, stdout=output, stderr=output)
        engine = open_engine(database)
        polydesk = Polydesk(f"http://127.0.0.1:{port}", engine, var / "run" / str(port), process.pid)
        try:
            polydesk.wait_until_healthy()
            yield polydesk
        finally:
            engine.dispose()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0, (var / "run.log").read_text()
