"""Everything at once, as `make run` starts it: edge, Rasa with the real adapters, actions, a demo shop of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.engine import Engine

from actions.database import open_engine, reading
from actions.tables import OrderRow, PaymentRow, ShipmentRow
from bot.tables import conversations
from tests.bot.edge_for_tests import Widget
from tests.services import free_port

STARTS_WITHIN = 240.0
ANSWERS_WITHIN = 40.0


@dataclass
class Polydesk:
    """A running Polydesk: where it answers, its database, and the folder of its logs."""

    url: str
    engine: Engine
    logs: Path

    def order(self, market: str, status: str) -> OrderRow:
        """Return an order of the demo shop to which nothing odd has happened, with its address loaded."""
        query = select(OrderRow).where(OrderRow.market == market, OrderRow.status == status, ~OrderRow.refunds.any())
        query = query.where(~OrderRow.payments.any(PaymentRow.status != "paid"))
        query = query.where(~OrderRow.shipments.any(ShipmentRow.status.in_(("held", "lost"))))
        with reading(self.engine) as session:
            order = session.scalars(query.order_by(OrderRow.placed_at.desc(), OrderRow.id)).first()
            assert order is not None, f"the demo shop has no {status} order in {market}"
            return order

    def rows(self, table: Any, *conditions: Any) -> list[Any]:
        """Return the rows of a table that meet the conditions."""
        with reading(self.engine) as session:
            return list(session.execute(select(table).where(*conditions)).scalars())


@dataclass
class Reply:
    """One bot reply as the widget gets it."""

    name: str
    language: str
    text: str
    buttons: list[dict[str, str]] = field(default_factory=list)


class Customer:
    """A customer at the widget: says something, and gets all replies of that turn."""

    def __init__(self, polydesk: Polydesk, market: str, **metadata: Any) -> None:
        self.polydesk = polydesk
        self.widget = Widget(polydesk.url)
        self.token, self.ready = self.widget.begin(market=market, **metadata)
        self.count = 0
        self.replies: list[Reply] = []

    def close(self) -> None:
        """Go away."""
        self.widget.__exit__()

    def says(self, text: str) -> list[str]:
        """Send a message and return the names of the replies; `replies` has the rest of them."""
        self.count += 1
        message_id = f"{id(self)}-{self.count}"
        acknowledged = self.widget.say(text, message_id)
        assert acknowledged["ok"], acknowledged
        heard: list[dict[str, Any]] = []
        while True:
            event, body = self.widget.heard.get(timeout=ANSWERS_WITHIN)
            if event == "bot_uttered" and body["metadata"].get("message_id") == message_id:
                heard.append(body)
            if event == "polydesk_turn" and body["message_id"] == message_id and body["state"] != "typing":
                break
        self.replies = [_reply(body) for body in heard]
        return [reply.name for reply in self.replies]

    @property
    def languages(self) -> set[str]:
        """The languages of the last turn's replies."""
        return {reply.language for reply in self.replies}

    @property
    def text(self) -> str:
        """The last turn's replies as one text."""
        return "\n".join(reply.text for reply in self.replies)

    @property
    def status(self) -> str:
        """The conversation's status in the edge's database."""
        with reading(self.polydesk.engine) as session:
            query = select(conversations.c.status).order_by(conversations.c.created_at.desc())
            return str(session.execute(query).scalars().first())


def _reply(body: dict[str, Any]) -> Reply:
    metadata = body["metadata"]
    return Reply(metadata["name"], metadata["language"], body["text"], body.get("quick_replies") or [])


@pytest.fixture(scope="session")
def polydesk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Polydesk]:
    var = tmp_path_factory.mktemp("var")
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
        try:
            _wait(process, f"http://127.0.0.1:{port}", var / "run.log")
            engine = open_engine(database)
            yield Polydesk(f"http://127.0.0.1:{port}", engine, var / "run" / str(port))
            engine.dispose()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0, "SIGTERM ends everything cleanly"


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until the launcher has printed that it answers, which it does after /health was 200."""
    transport = httpx.HTTPTransport(retries=1)
    with httpx.Client(transport=transport, trust_env=False) as http:
        for _ in range(int(STARTS_WITHIN * 2)):
            assert process.poll() is None, log.read_text()
            try:
                if http.get(f"{url}/health", timeout=5).status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                pass
            try:
                process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                continue
    pytest.fail(f"Polydesk did not answer in {STARTS_WITHIN} s:\n{log.read_text()}")


@pytest.fixture
def customer_in(polydesk: Polydesk) -> Iterator[Any]:
    customers: list[Customer] = []

    def come(market: str, **metadata: Any) -> Customer:
        customers.append(Customer(polydesk, market, **metadata))
        return customers[-1]

    yield come
    for customer in customers:
        customer.close()
