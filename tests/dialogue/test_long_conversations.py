"""A conversation that never ends is as quick as a new one, and loses nothing."""

from __future__ import annotations

import asyncio

import pytest

from actions import tables
from bot import rasa_turn
from tests.dialogue.conftest import Customer
from tests.dialogue.shop_data import ANNA, PLACED

MOST = 40  # events
LONG_ENOUGH = 10  # turns, to have more


@pytest.fixture(autouse=True)
def soon_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rasa_turn, "LONG_SESSION", MOST)


def says(customer: Customer, text: str, **message_id: str) -> tuple[list[str], bool]:
    """Return the names of the replies, and whether a new session began with this message."""
    before = events_read(customer)
    said = customer.says(text, **message_id)
    return said, events_read(customer) < before


def events_read(customer: Customer) -> int:
    """Return how many events the customer's next turn begins with."""
    return len(asyncio.run(customer.agent.processor.get_tracker(customer.name)).events)


def test_a_turn_reads_no_more_however_long_a_conversation_is(customer: Customer) -> None:
    read = []
    for _ in range(3 * LONG_ENOUGH):
        assert customer.says("complaint: your courier was rude") == ["utter_complaint_recorded"]
        read.append(events_read(customer))

    assert MOST < max(read) < 2 * MOST
    assert min(read[-10:]) < MOST


def test_what_is_known_of_the_customer_outlives_a_long_session(customer: Customer) -> None:
    customer.says(f"track_order: {PLACED} {ANNA}")
    began = [says(customer, "complaint: your courier was rude")[1] for _ in range(LONG_ENOUGH)]

    assert any(began)
    assert customer.says("track_order: and where is it") == ["utter_order_status"]


def test_an_offer_is_accepted_with_the_message_that_begins_a_new_session(customer: Customer) -> None:
    began = []
    for _ in range(LONG_ENOUGH):
        assert customer.says("registration_problems: it does not work")[-1] == "utter_registration_hints"
        said, new_session = says(customer, "affirm: yes please")
        assert said == ["utter_handoff_queued"]
        began.append(new_session)

    assert any(began)


def test_a_form_keeps_its_session_until_it_is_done(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED} {ANNA}")
    while events_read(customer) < 2 * MOST:
        assert not says(customer, "contact_customer_service: how do I reach you")[1]

    assert says(customer, "/affirm") == (["utter_order_cancelled"], False)
    assert says(customer, "complaint: your courier was rude") == (["utter_complaint_recorded"], True)


def test_a_message_that_began_a_new_session_is_not_run_again_when_repeated(customer: Customer) -> None:
    for number in range(LONG_ENOUGH):
        said, began = says(customer, "complaint: your courier was rude", message_id=f"n{number}")
        if began:
            break

    assert began
    assert says(customer, "complaint: your courier was rude", message_id=f"n{number}") == (said, False)
    assert customer.rows(tables.TicketRow, kind="complaint") == number + 1
