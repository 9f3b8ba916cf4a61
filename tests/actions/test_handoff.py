"""Who waits for a person has one ticket, however often she asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from actions.action import Surroundings
from actions.database import reading
from actions.handoff import Affirm, Handoff
from actions.sql_shop import SqlShop
from actions.tables import TicketRow
from nlu.markets import load_markets
from tests.dialogue.shop_data import NOW, fill

DAY = 24 * 3600.0


class Waiting:
    """A customer in one conversation, on a day of it; the slots go on."""

    def __init__(self, engine: Engine) -> None:
        fill(engine)
        self._engine = engine
        self._surroundings = Surroundings(SqlShop(engine, now=lambda: NOW), load_markets(), "/")
        self._slots: dict[str, Any] = {}
        self._numbers: Iterator[int] = iter(range(100))
        self.reply: dict[str, Any] = {}

    def asks_for_a_person(self, *, on_day: float = 0) -> str:
        """Return the reference that she is told."""
        return self._referred(Handoff, [], on_day)

    def accepts(self, offer: str, *, on_day: float = 0) -> str:
        """Return the reference that she is told after a yes to an offer."""
        before = [{"event": "user", "parse_data": {}}, {"event": "bot", "metadata": {"utter_action": offer}}]
        return self._referred(Affirm, before, on_day, text="yes")

    def says_to(self, offer: str, text: str) -> str:
        """Return the name of the reply to something that sounds like a yes."""
        before = [{"event": "user", "parse_data": {}}, {"event": "bot", "metadata": {"utter_action": offer}}]
        self._run(Affirm, before, 0, text)
        return str(self.reply["response"])

    @property
    def tickets(self) -> int:
        with reading(self._engine) as session:
            return int(session.scalar(select(func.count()).select_from(TicketRow)))

    def _referred(self, action: type[Affirm | Handoff], before: list[Any], day: float, text: str = "a person") -> str:
        self._run(action, before, day, text)
        assert self.reply["response"] == "utter_handoff_queued"
        assert self.reply["custom"]["handoff"]["ticket"] == self.reply["reference"]
        return str(self.reply["reference"])

    def _run(self, action: type[Affirm | Handoff], before: list[Any], day: float, text: str) -> None:
        message = {"text": text, "metadata": {"market": "de-DE"}, "message_id": f"m{next(self._numbers)}"}
        events = [*before, {"event": "user", "parse_data": message, "timestamp": day * DAY}]
        dispatcher = CollectingDispatcher()
        tracker = Tracker("c", dict(self._slots), message, events, False, None, {}, None)
        self._slots |= {
            event["name"]: event["value"] for event in action(self._surroundings).run(dispatcher, tracker, {})
        }
        self.reply = dispatcher.messages[-1]


@pytest.fixture
def customer(sqlite_engine: Engine) -> Waiting:
    return Waiting(sqlite_engine)


def test_a_second_wish_for_a_person_is_told_the_same_reference(customer: Waiting) -> None:
    first = customer.asks_for_a_person()
    assert customer.asks_for_a_person() == first
    assert customer.asks_for_a_person(on_day=3) == first, "a weekend later she still waits"
    assert customer.tickets == 1


@pytest.mark.parametrize("offer", ["utter_offer_handoff", "utter_apology", "utter_registration_hints"])
def test_an_offer_that_is_accepted_while_she_waits_opens_no_second_ticket(customer: Waiting, offer: str) -> None:
    first = customer.asks_for_a_person()
    assert customer.accepts(offer) == first
    assert customer.tickets == 1


def test_a_wish_after_an_accepted_offer_has_the_offers_ticket(customer: Waiting) -> None:
    first = customer.accepts("utter_offer_handoff")
    assert customer.asks_for_a_person() == first


def test_a_wish_of_another_week_is_another_matter(customer: Waiting) -> None:
    first = customer.asks_for_a_person()
    second = customer.asks_for_a_person(on_day=8)
    assert second != first
    assert customer.asks_for_a_person(on_day=9) == second
    assert customer.tickets == 2


@pytest.mark.parametrize("text", ["maybe", "weiß nicht", "really?"])
def test_a_maybe_to_an_offer_is_offered_again(customer: Waiting, text: str) -> None:
    assert customer.says_to("utter_offer_handoff", text) == "utter_offer_handoff"
    assert customer.says_to("utter_apology", text) == "utter_rephrase"
    assert customer.tickets == 0
