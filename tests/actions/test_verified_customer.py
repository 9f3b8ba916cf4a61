"""What the shop has signed about a customer is not asked, and proves her own orders alone."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher
from sqlalchemy.engine import Engine

from actions.accounts import EditAccountForm, RecoverPasswordForm
from actions.action import Surroundings
from actions.form import Form
from actions.orders import TrackOrderForm
from actions.sql_shop import SqlShop
from nlu.entities import find_entities
from nlu.markets import load_markets
from tests.dialogue.shop_data import ANNA, DELIVERED, EVA, NOW, POSTCODE, SHIPPED, fill


class Talk:
    """One form, spoken to as Rasa does it; the slots go on from message to message."""

    def __init__(self, engine: Engine, kind: type[Form], **verified: Any) -> None:
        fill(engine)
        self._form = kind(Surroundings(SqlShop(engine, now=lambda: NOW), load_markets(), "https://shop.example/"))
        self._verified = verified
        self.slots: dict[str, Any] = {}
        self.replies: list[dict[str, Any]] = []

    def says(self, text: str, *, starts: bool = False) -> list[str]:
        """Return the names of the replies to a message."""
        message = {
            "text": text,
            "intent": {"name": self._form.intent, "confidence": 0.9},
            "entities": [asdict(found) for found in find_entities(text)],
            "metadata": {"market": "de-DE", **self._verified},
            "message_id": "m",
        }
        events: list[dict[str, Any]] = [{"event": "user", "parse_data": message}]
        events += [{"event": "active_loop", "name": self._form.form}] if starts else []
        tracker = Tracker("c", dict(self.slots), message, events, False, None, {"name": self._form.form}, None)
        dispatcher = CollectingDispatcher()
        for event in self._form.run(dispatcher, tracker, {}):
            self.slots[event["name"]] = event["value"]
        self.replies = dispatcher.messages
        return [reply["response"] for reply in self.replies]


def test_a_verified_customer_names_her_order_and_nothing_else(sqlite_engine: Engine) -> None:
    talk = Talk(sqlite_engine, TrackOrderForm, email=ANNA)
    assert talk.says("where is my parcel", starts=True) == ["utter_request_order_number"]
    assert talk.says(SHIPPED) == []
    assert talk.slots["requested_slot"] is None, "the form has all it needs"


def test_without_the_shops_word_the_proof_is_asked(sqlite_engine: Engine) -> None:
    assert Talk(sqlite_engine, TrackOrderForm).says(f"where is {SHIPPED}", starts=True) == ["utter_request_proof"]


def test_the_only_order_that_the_shop_names_need_not_be_named(sqlite_engine: Engine) -> None:
    talk = Talk(sqlite_engine, TrackOrderForm, email=ANNA, orders=[SHIPPED])
    assert talk.says("where is my parcel", starts=True) == []
    assert talk.slots["order_number"] == SHIPPED


def test_several_orders_are_offered_to_choose_from(sqlite_engine: Engine) -> None:
    talk = Talk(sqlite_engine, TrackOrderForm, email=ANNA, orders=[SHIPPED, "204512"])
    assert talk.says("where is my parcel", starts=True) == ["utter_request_order_number"]
    offered = talk.replies[0]["buttons"]
    assert [json.loads(button["payload"].removeprefix("/choose")) for button in offered] == [
        {"choice": SHIPPED},
        {"choice": "204512"},
    ]
    assert talk.says(SHIPPED) == []


@pytest.mark.parametrize("kind", [TrackOrderForm, EditAccountForm])
def test_her_word_opens_no_order_of_others(sqlite_engine: Engine, kind: type[Form]) -> None:
    talk = Talk(sqlite_engine, kind, email=ANNA)
    assert talk.says(f"about {DELIVERED}", starts=True) == ["utter_not_identified"]
    assert talk.says(DELIVERED) == ["utter_not_identified"]


def test_whoever_knows_number_and_email_of_another_order_goes_on_as_before(sqlite_engine: Engine) -> None:
    talk = Talk(sqlite_engine, TrackOrderForm, email=ANNA)
    assert talk.says(f"where is {DELIVERED} of {EVA}", starts=True) == []


def test_a_postcode_that_she_names_counts_beside_the_shops_word(sqlite_engine: Engine) -> None:
    talk = Talk(sqlite_engine, TrackOrderForm, email=ANNA)
    assert talk.says(f"where is {DELIVERED}, {POSTCODE}", starts=True) == []


def test_a_postcode_beside_the_shops_word_opens_no_account_of_others(sqlite_engine: Engine) -> None:
    talk = Talk(sqlite_engine, EditAccountForm, email=ANNA)
    assert talk.says(f"my order {DELIVERED}, {POSTCODE}", starts=True) == ["utter_not_identified"]


def test_an_email_that_the_shop_knows_is_not_asked_for_a_new_password(sqlite_engine: Engine) -> None:
    talk = Talk(sqlite_engine, RecoverPasswordForm, email=ANNA)
    assert talk.says("I forgot my password", starts=True) == []
    assert talk.slots["account_email"] == ANNA
