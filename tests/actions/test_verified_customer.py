"""What the shop has signed about a customer is not asked, and proves her own orders alone."""

from __future__ import annotations

import json

import pytest
from sqlalchemy.engine import Engine

from actions.accounts import EditAccountForm, RecoverPasswordForm
from actions.form import Form
from actions.orders import TrackOrderForm
from tests.actions.talk import Talk
from tests.dialogue.shop_data import ANNA, DELIVERED, EVA, POSTCODE, SHIPPED


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
