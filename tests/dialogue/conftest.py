"""Rasa with the real dialogue, the real action server on a database of its own, and an understanding that is written
into the messages (`fake_nlu.py`)."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")

import pytest
import uvicorn
import yaml
from rasa.core.agent import Agent
from rasa.model_training import train
from rasa.utils.endpoints import EndpointConfig
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from actions.action import Surroundings
from actions.database import open_engine, reading
from actions.server import find_actions, make_app
from actions.sql_shop import SqlShop
from bot.nlg import Replies
from bot.rasa_turn import Turn, run_turn
from nlu.markets import load_markets
from tests.dialogue.shop_data import NOW, fill

ROOT = Path(__file__).parents[2]
SECRET = "test-secret"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Train the dialogue with the fake understanding in the real one's place."""
    folder = tmp_path_factory.mktemp("model")
    config = yaml.safe_load((ROOT / "config.yml").read_text())
    config["pipeline"][0] = {"name": "tests.dialogue.fake_nlu.FakeNLU"}
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    result = train(str(ROOT / "domain.yml"), str(folder / "config.yml"), [str(ROOT / "bot" / "dialogue")], str(folder))
    return result.model


@pytest.fixture(scope="session")
def agent(model: str) -> Agent:
    return Agent.load(model, generator=Replies())


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    fill(engine)
    yield engine
    engine.dispose()


@dataclass
class ActionServer:
    """The real server in a thread of its own."""

    port: int
    server: uvicorn.Server
    thread: threading.Thread

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)


@pytest.fixture
def action_server(engine: Engine) -> Iterator[ActionServer]:
    surroundings = Surroundings(SqlShop(engine, now=lambda: NOW), load_markets(), "https://shop.example/")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # so that who calls before the server is up waits for it
        app = make_app(find_actions(surroundings), SECRET)
        server = uvicorn.Server(uvicorn.Config(app, ws="none", log_level="error", access_log=False))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        running = ActionServer(listener.getsockname()[1], server, thread)
        yield running
        running.stop()


@dataclass
class Customer:
    """Somebody who writes to the bot, and what she is answered."""

    agent: Agent
    engine: Engine
    name: str = "customer"
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    replies: list[dict[str, Any]] = field(default_factory=list)

    def says(self, text: str, *, message_id: str | None = None) -> list[str]:
        """Return the names of the replies to a message."""
        button = text.startswith("/")
        turn = Turn(self.name, text, message_id or f"m{next(self.numbers)}", {"market": "de-DE", "button": button})
        self.replies = asyncio.run(run_turn(self.agent, turn)).replies
        return [reply["name"] for reply in self.replies]

    def another(self) -> Customer:
        """Return somebody else at the same bot and shop. The bot outlives the test: her name is not used again."""
        return Customer(self.agent, self.engine, name=f"other than {self.name}")

    @property
    def text(self) -> str:
        """All that was answered to the last message."""
        return "\n".join(reply["text"] for reply in self.replies)

    def row(self, table: Any, **where: Any) -> Any:
        """Return the only row of a table with these values."""
        with reading(self.engine) as session:
            return session.scalars(select(table).filter_by(**where)).one()

    def rows(self, table: Any, **where: Any) -> int:
        """Count the rows of a table with these values."""
        with reading(self.engine) as session:
            return int(session.scalar(select(func.count()).select_from(table).filter_by(**where)))


@pytest.fixture
def customer(agent: Agent, engine: Engine, action_server: ActionServer, request: pytest.FixtureRequest) -> Customer:
    url = f"http://127.0.0.1:{action_server.port}/webhook"
    agent.processor.action_endpoint = EndpointConfig(url, token=SECRET, enable_selective_domain=True)
    return Customer(agent, engine, name=request.node.name)
