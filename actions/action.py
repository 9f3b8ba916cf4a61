"""What all actions share: the shop, the market's row, and speaking by the names of replies.

An action decides; the texts are in `bot/replies/`. A `ShopUnavailable` is not caught anywhere in the actions: the turn
then fails as a whole and the edge repeats it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.shop import Money, NotAllowed, Order, Shop
from actions.turn import Turn, read_turn
from nlu.markets import Market, Markets

HANDOFF_OFFERED = "handoff_offered"


@dataclass(frozen=True)
class Surroundings:
    """What the actions work with; made once, when their server starts.

    `shop_url` is the page where one buys; it may hold `{market}`.
    """

    shop: Shop
    markets: Markets
    shop_url: str


class Speaker:
    """Says replies by their names, with values in the form that `bot/nlg.py` reads."""

    def __init__(self, dispatcher: CollectingDispatcher) -> None:
        self._dispatcher = dispatcher

    def say(
        self,
        reply: str,
        *,
        buttons: list[dict[str, str]] | None = None,
        custom: dict[str, Any] | None = None,
        **values: Any,
    ) -> None:
        """Say a reply; `buttons` come after its own, `custom` goes to the edge beside the text."""
        ready = {name: _on_the_wire(value) for name, value in values.items()}
        self._dispatcher.utter_message(response=reply, buttons=buttons, json_message=custom, **ready)


class ShopAction(Action, ABC):  # type: ignore[misc]
    """An action of Rasa's with the shop at hand."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.shop = surroundings.shop
        self.markets = surroundings.markets
        self.shop_url = surroundings.shop_url

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Mapping[str, Any]) -> list[EventType]:
        """Answer a call of Rasa's; a change that the shop's rules forbid is told, with the reason."""
        speaker = Speaker(dispatcher)
        try:
            return self.act(speaker, read_turn(tracker))
        except NotAllowed as refusal:
            speaker.say("utter_not_allowed", reason=f"reason_{refusal.reason}")
            return []

    @abstractmethod
    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Do what the action is for; return events for the tracker."""

    def key(self, turn: Turn) -> str:
        """Return the idempotency key of this action in this turn: repeating the turn repeats no effect."""
        return f"{turn.conversation}:{turn.message_id}:{self.name()}"

    def market(self, turn: Turn) -> Market:
        """Return the row of the turn's market; the first where none was given."""
        return self.markets.by_code.get(turn.market) or self.markets.rows[0]

    def apologise(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Offer an upset customer a person, once in a conversation, beside whatever else is being done.

        The slot keeps the reason, for the ticket in case she accepts.
        """
        reason = self._upset(turn)
        if turn.slots.get(HANDOFF_OFFERED) or reason is None:
            return []
        speaker.say("utter_apology", custom=asks_team(reason))
        return [SlotSet(HANDOFF_OFFERED, reason)]

    def _upset(self, turn: Turn) -> str | None:
        """Return why a customer counts as upset, if she does."""
        if turn.pressed or not turn.sentiment.negative:
            return None
        if turn.previous_sentiment.negative:
            return "repeated_negative"
        return "negative" if turn.sentiment.confidence >= self.market(turn).handoff_at else None


def asks_team(reason: str, *, ticket: str | None = None) -> dict[str, Any]:
    """Return what tells the edge to queue the conversation for an agent.

    Without a ticket the customer has not asked for one: the team sees her, and the bot goes on.
    """
    return {"handoff": {"ticket": ticket, "reason": reason}}


def identified_order(shop: Shop, slots: Mapping[str, Any]) -> Order | None:
    """Return the order whose number and e-mail or postcode the customer has named, if they belong together."""
    number, email, postcode = slots.get("order_number"), slots.get("email"), slots.get("postcode")
    if not number or not (email or postcode):
        return None
    return shop.identify(number, email=email, postcode=postcode)


def masked(email: str) -> str:
    """Return an e-mail that only its owner recognises: whoever proved an order by its postcode may not know it."""
    return f"{email[:1]}…@{email.rpartition('@')[2]}"


def _on_the_wire(value: Any) -> Any:
    if isinstance(value, Money):
        return {"amount": str(value.amount), "currency": value.currency}
    return value.isoformat() if isinstance(value, date) else value
