"""Polydesk as `make run` starts it, once for all conversations, and customers at its widget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from sqlalchemy import select

from bot.tables import conversations, messages, replies
from tests.bot.edge_for_tests import Widget
from tests.conversations.polydesk import ANSWERS_WITHIN, Polydesk, running_polydesk


@dataclass
class Reply:
    """One bot reply as the widget gets it."""

    id: int
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
        self.conversation = str(jwt.decode(self.token, options={"verify_signature": False})["sub"])
        self.count = 0
        self.state = ""
        self.replies: list[Reply] = []

    def close(self) -> None:
        """Go away."""
        self.widget.__exit__()

    def says(self, text: str) -> list[str]:
        """Send a message and return the names of the replies; `replies` and `state` have the rest of the turn."""
        self.count += 1
        message_id = f"{id(self)}-{self.count}"
        acknowledged = self.widget.say(text, message_id)
        assert acknowledged["ok"], acknowledged
        heard: dict[int, Reply] = {}
        self.state = ""
        # The client hears events in threads of their own: the last reply may come after the end of the turn.
        while not self.state or len(heard) < self._answers(message_id):
            event, body = self.widget.heard.get(timeout=ANSWERS_WITHIN)
            if event == "bot_uttered" and body["metadata"].get("message_id") == message_id:
                heard[body["metadata"]["id"]] = _reply(body)
            if event == "polydesk_turn" and body["message_id"] == message_id and body["state"] != "typing":
                self.state = body["state"]
        self.replies = [heard[number] for number in sorted(heard)]
        return [reply.name for reply in self.replies]

    def _answers(self, message_id: str) -> int:
        """Return how many replies the edge has stored for a message."""
        mine = (messages.c.conversation_id == self.conversation, messages.c.message_id == message_id)
        return len(self.polydesk.rows(replies, replies.c.answers.in_(select(messages.c.id).where(*mine))))

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
        return str(self.polydesk.rows(conversations, conversations.c.id == self.conversation)[0].status)

    @property
    def understood(self) -> Any:
        """The row of the last message: what Rasa made of it."""
        return max(
            self.polydesk.rows(messages, messages.c.conversation_id == self.conversation), key=lambda row: row.number
        )


def _reply(body: dict[str, Any]) -> Reply:
    metadata = body["metadata"]
    buttons = body.get("quick_replies") or []
    return Reply(metadata["id"], metadata["name"], metadata["language"], body["text"], buttons)


@pytest.fixture(scope="session")
def polydesk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Polydesk]:
    with running_polydesk(tmp_path_factory.mktemp("var")) as running:
        yield running


@pytest.fixture
def customer_in(polydesk: Polydesk) -> Iterator[Any]:
    customers: list[Customer] = []

    def come(market: str, **metadata: Any) -> Customer:
        customers.append(Customer(polydesk, market, **metadata))
        return customers[-1]

    yield come
    for customer in customers:
        customer.close()
