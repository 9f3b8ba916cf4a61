"""One form, spoken to as Rasa does it, without Rasa; the slots go on from message to message."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher
from sqlalchemy.engine import Engine

from actions.action import Surroundings
from actions.form import Form
from actions.sql_shop import SqlShop
from nlu.entities import find_entities
from nlu.markets import load_markets
from tests.dialogue.shop_data import NOW, fill


class Talk:
    """A customer of one form. What the shop has signed about her is `verified`."""

    def __init__(self, engine: Engine, kind: type[Form], **verified: Any) -> None:
        fill(engine)
        self._form = kind(Surroundings(SqlShop(engine, now=lambda: NOW), load_markets(), "https://shop.example/"))
        self._verified = verified
        self.slots: dict[str, Any] = {}
        self.replies: list[dict[str, Any]] = []

    def says(
        self,
        text: str,
        *,
        starts: bool = False,
        intent: str | None = None,
        confidence: float = 0.9,
        opening: str | None = None,
    ) -> list[str]:
        """Return the names of the replies to a message; without an intent it is taken for the form's own."""
        message = {
            "text": text,
            "intent": {"name": intent or self._form.intent, "confidence": confidence},
            "entities": [asdict(found) for found in find_entities(text)],
            "metadata": {"market": "de-DE", **self._verified},
            "message_id": "m",
            "opening": opening,
        }
        events: list[dict[str, Any]] = [{"event": "user", "parse_data": message}]
        events += [{"event": "active_loop", "name": self._form.form}] if starts else []
        tracker = Tracker("c", dict(self.slots), message, events, False, None, {"name": self._form.form}, None)
        dispatcher = CollectingDispatcher()
        for event in self._form.run(dispatcher, tracker, {}):
            self.slots[event["name"]] = event["value"]
        self.replies = dispatcher.messages
        return [reply["response"] for reply in self.replies]
