"""One turn of a conversation, read from Rasa's tracker: what was said, what it was taken for, what came before it.

Only reads. What the component of the NLU adds to a message is described in docs/architecture.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rasa_sdk import Tracker
from rasa_sdk.events import EventType

from nlu import signs

INVISIBLE = "\u2060"  # the component's mark on typed text that starts with "/"
CHOICE_INTENT = "choose"

Phase = Literal["started", "answered", "resumed"]


@dataclass(frozen=True)
class Sentiment:
    """How a message sounds, with its calibrated probability."""

    name: str
    confidence: float

    @property
    def negative(self) -> bool:
        """Whether annoyance is the most likely tone."""
        return self.name == "negative"


@dataclass(frozen=True)
class Turn:
    """The latest message of a conversation and its surroundings.

    `at` is when the message came, in seconds since the epoch. `replies_before` are the names of the bot's replies to
    the message before, `replies_now` those already given to this one. `previous_sentiment` is that of the customer's
    message before. `opening` is the first word's own intent, where a form asks for a yes. The verified e-mail and order
    numbers are what the shop has signed about her; the edge alone passes them on.
    """

    conversation: str
    market: str
    message_id: str
    at: float
    text: str
    intent: str
    confidence: float
    out_of_scope: float
    sentiment: Sentiment
    previous_sentiment: Sentiment
    entities: Sequence[Mapping[str, Any]]
    slots: Mapping[str, Any]
    requested: str | None
    active_form: str | None
    replies_before: frozenset[str]
    replies_now: frozenset[str]
    offered_buttons: Mapping[str, str]
    events_now: Sequence[EventType]
    events_before: Sequence[EventType]
    opening: str | None = None
    verified_email: str | None = None
    verified_orders: Sequence[str] = ()

    @property
    def asks(self) -> bool:
        """Whether the message ends with a question mark: never a name, never a street, and never a yes."""
        return signs.asks(self.text)

    @property
    def hesitates(self) -> bool:
        """Whether something typed is neither a clear yes nor a clear no."""
        return not self.pressed and signs.hesitates(self.text)

    @property
    def pressed(self) -> bool:
        """Whether a button was pressed instead of something typed."""
        return self.text.startswith("/")

    def values(self, entity: str) -> list[str]:
        """Return the values of one kind of entity, in the order of the text."""
        return [str(found["value"]) for found in self.found(entity)]

    def found(self, entity: str) -> list[Mapping[str, Any]]:
        """Return the entities of one kind, in the order of the text."""
        return [found for found in self.entities if found["entity"] == entity]

    def choice(self) -> str | None:
        """Return the choice made by a button, or by typing what is written on an offered one."""
        chosen = self.values("choice")
        if self.intent == CHOICE_INTENT and chosen:
            return chosen[0]
        payload = self.offered_buttons.get(self.text.strip().casefold(), "")
        prefix = f"/{CHOICE_INTENT}"
        return str(json.loads(payload.removeprefix(prefix))["choice"]) if payload.startswith(prefix) else None

    def phase(self, form: str) -> Phase:
        """Tell whether `form` was just started, is being answered, or goes on after another matter."""
        if any(event["event"] == "active_loop" and event["name"] == form for event in self.events_now):
            return "started"
        # The form itself is the last action on the tracker that Rasa sends along.
        actions = [event for event in self.events_now if event["event"] == "action"]
        return "answered" if len(actions) <= 1 else "resumed"

    @property
    def interrupted_form(self) -> str | None:
        """The form that was active when this message came, or None."""
        loops = [event["name"] for event in self.events_before if event["event"] == "active_loop"]
        return loops[-1] if loops else None


def read_turn(tracker: Tracker) -> Turn:
    """Read the latest turn from a tracker."""
    message = tracker.latest_message
    metadata = message.get("metadata") or {}
    events = tracker.events
    starts = [position for position, event in enumerate(events) if event["event"] == "user"] or [0]
    earlier = starts[-2] if len(starts) > 1 else 0
    before, now = events[: starts[-1]], events[starts[-1] :]
    last_bot_turn = [event for event in events[earlier : starts[-1]] if event["event"] == "bot"]
    intent = message.get("intent") or {}
    return Turn(
        conversation=tracker.sender_id,
        market=metadata.get("market") or message.get("market") or "",
        message_id=message.get("message_id") or "",
        at=float(now[0].get("timestamp") or 0.0) if now else 0.0,
        text=(message.get("text") or "").removeprefix(INVISIBLE),
        intent=intent.get("name") or "",
        confidence=float(intent.get("confidence") or 0.0),
        out_of_scope=float(message.get("out_of_scope") or 0.0),
        sentiment=_sentiment(message),
        previous_sentiment=_sentiment((events[earlier].get("parse_data") or {}) if len(starts) > 1 else {}),
        entities=message.get("entities") or [],
        slots=tracker.slots,
        requested=tracker.slots.get("requested_slot"),
        active_form=(tracker.active_loop or {}).get("name"),
        replies_before=_names(last_bot_turn),
        replies_now=_names(now),
        offered_buttons={
            button["title"].strip().casefold(): button["payload"]
            for event in last_bot_turn
            for button in (event.get("data") or {}).get("buttons") or []
        },
        events_now=now,
        events_before=before,
        opening=message.get("opening"),
        verified_email=metadata.get("email"),
        verified_orders=metadata.get("orders") or (),
    )


def _sentiment(message: Mapping[str, Any]) -> Sentiment:
    found = message.get("sentiment") or {}
    return Sentiment(found.get("name", "neutral"), float(found.get("confidence", 0.0)))


def _names(events: Sequence[EventType]) -> frozenset[str]:
    names = ((event.get("metadata") or {}).get("utter_action") for event in events if event["event"] == "bot")
    return frozenset(name for name in names if name)
