"""A real edge on a fresh database with the fake Rasa behind it, and a socket.io client as the widget is one."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import socketio
from sqlalchemy import select
from sqlalchemy.engine import Engine

from actions.database import open_engine, reading
from bot.edge import PACKET_LIMIT, make_edge
from bot.migrations import migrate
from bot.settings import FarEnds, Settings
from bot.texts import LanguageTexts, Texts
from bot.turns import Patience
from tests.bot.fake_rasa import SECRET, FakeRasa, served

SIGNS = "signs the sessions of these tests, long enough"
EDGE_TEXTS = (
    "apology",
    "choose",
    "empty",
    "got_image",
    "got_location",
    "got_other",
    "got_voice",
    "handoff_agent_silent",
    "handoff_closed",
    "handoff_handed_back",
    "handoff_joined",
    "handoff_nobody_available",
    "handoff_out_of_hours",
    "handoff_still_waiting",
    "handoff_transferred",
    "no_session",
    "not_allowed",
    "one_moment",
    "rasa_down",
    "too_long",
    "too_many",
    "unknown_market",
    "unreadable",
)
PATIENCE = Patience(failing=0.6, one_moment=1.0, human=2.0, one_try=20.0, taken_over=0.1)


def texts_for_tests() -> Texts:
    """Return texts that say their own name and language."""
    return Texts(
        {language: _texts(language) for language in ("en", "de", "fr", "es", "it", "pt", "hi", "ar", "zh", "ja")}
    )


@dataclass
class Edge:
    """A running edge."""

    url: str
    engine: Engine
    rasa: FakeRasa
    http: httpx.Client

    def say(self, message: object, *, sender: object = "anna", **body: Any) -> httpx.Response:
        """Send one message over REST."""
        return self.post({"sender": sender, "message": message, **body})

    def post(self, body: object) -> httpx.Response:
        """Send any JSON to the REST channel."""
        return self.http.post("/webhooks/rest/webhook", json=body)

    def rows(self, table: Any) -> list[Any]:
        """Return a table's rows."""
        with reading(self.engine) as session:
            return list(session.execute(select(table)))


@contextmanager
def edge_on(
    database: str,
    rasa: FakeRasa,
    var: Path,
    *,
    patience: Patience = PATIENCE,
    texts: Texts | None = None,
    rasa_url: str | None = None,
    **changes: Any,
) -> Iterator[Edge]:
    """Run an edge on a database, migrated first, with the fake Rasa behind it; `changes` are of its settings.

    `rasa_url` is where it looks for Rasa instead.
    """
    migrate(database)
    settings = replace(Settings(database_url=database, secret=SIGNS, var=var), **changes)
    engine = open_engine(database)
    with served(rasa.app) as far:
        texts = texts or texts_for_tests()
        app = make_edge(settings, FarEnds(rasa_url or far, SECRET, far), texts=texts, patience=patience)
        with (
            served(app, ws="wsproto", ws_max_size=PACKET_LIMIT) as url,
            httpx.Client(base_url=url, timeout=40, trust_env=False) as http,
        ):
            yield Edge(url, engine, rasa, http)
    engine.dispose()


class Widget:
    """A socket.io client as the widget is one; keeps what it hears."""

    def __init__(self, url: str, transports: list[str] | None = None) -> None:
        self.heard: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.socket = socketio.Client(reconnection=False)
        for event in ("session_confirm", "polydesk_ready", "bot_uttered", "polydesk_turn"):
            self.socket.on(event, self._listener(event))
        self.socket.connect(url, transports=transports or ["websocket"])

    def __enter__(self) -> Widget:
        return self

    def __exit__(self, *_: object) -> None:
        # A client that polls would wait for its last poll, up to a ping's time.
        self.socket.eio.disconnect(abort=self.socket.transport() == "polling")

    def begin(self, token: object = None, market: str | None = "de-DE", **metadata: Any) -> tuple[str, dict[str, Any]]:
        """Request a session; returns its token and what `polydesk_ready` says."""
        metadata = {**({"market": market} if market else {}), **metadata}
        body = {"metadata": metadata, **({"session_id": token} if token else {})}
        self.socket.emit("session_request", body)
        return self.hear("session_confirm"), self.hear("polydesk_ready")

    def say(self, message: object, message_id: object = None, **body: Any) -> Any:
        """Send one message and return its acknowledgement."""
        metadata = {**({"message_id": message_id} if message_id else {}), **body.pop("metadata", {})}
        return self.socket.call("user_uttered", {"message": message, "metadata": metadata, **body}, timeout=10)

    def hear(self, event: str, within: float = 10) -> Any:
        """Return the body of the next such event; others before it are dropped."""
        while True:
            name, body = self.heard.get(timeout=within)
            if name == event:
                return body

    def _listener(self, event: str) -> Any:
        return lambda body=None: self.heard.put((event, body))


def _texts(language: str) -> LanguageTexts:
    edge = {name: f"{name} in {language}" for name in EDGE_TEXTS}
    widget = {"send": f"send in {language}", "open_chat": "open"}
    return LanguageTexts(language, replies={}, buttons={}, terms={}, edge=edge, widget=widget, shop_page={})
