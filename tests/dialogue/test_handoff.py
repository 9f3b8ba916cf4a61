"""What the dialogue tells the edge about a person, and that a form outlives the time with one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from bot.rasa_turn import Turn, understand
from tests.dialogue.conftest import Customer
from tests.dialogue.shop_data import ANNA, PLACED

A_DAY = timedelta(days=1).total_seconds()


def handoffs(customer: Customer) -> list[Any]:
    return [reply["handoff"] for reply in customer.replies if "handoff" in reply]


def test_strong_anger_queues_with_its_reason_beside_the_offer(customer: Customer) -> None:
    customer.says("track_order/angry: WHERE IS IT")
    assert handoffs(customer) == [{"ticket": None, "reason": "negative"}]
    assert customer.says("affirm: yes")[0] == "utter_handoff_queued"
    assert [told["reason"] for told in handoffs(customer)] == ["negative"]
    assert handoffs(customer)[0]["ticket"]


def test_repeated_annoyance_queues_with_its_reason(customer: Customer) -> None:
    customer.says("delivery_period/annoyed: how long")
    assert handoffs(customer) == []
    customer.says("check_refund_policy/annoyed: hm")
    assert handoffs(customer) == [{"ticket": None, "reason": "repeated_negative"}]


def test_a_second_question_that_is_not_understood_queues_with_its_reason(customer: Customer) -> None:
    customer.says("asdf")
    assert handoffs(customer) == []
    customer.says("asdf")
    assert handoffs(customer) == [{"ticket": None, "reason": "not_understood"}]


def test_who_declines_a_person_is_not_kept_in_the_queue(customer: Customer) -> None:
    customer.says("asdf")
    customer.says("asdf")
    assert customer.says("deny: no") == ["utter_handoff_declined"]
    assert handoffs(customer) == [{"ticket": None, "reason": "declined"}]


def test_a_form_goes_on_where_it_was_after_a_day_with_a_person(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED}")
    assert "utter_handoff_queued" in customer.says("contact_human_agent: a person please")
    # Meanwhile an agent talks to her, of which Rasa hears nothing; then a day has passed.
    _let_time_pass(customer, A_DAY)
    assert customer.says(f"{ANNA}") == ["utter_confirm_cancel"]
    assert customer.says("affirm: yes") == ["utter_order_cancelled"]


def test_a_message_is_understood_without_a_trace(customer: Customer) -> None:
    customer.says(f"cancel_order: {PLACED}")
    turn = Turn(customer.name, "get_refund/angry: my money!", "m9", {"market": "de-DE", "button": False})
    before = _events(customer)
    understood = asyncio.run(understand(customer.agent, turn))
    assert understood["intent"]["name"] == "get_refund"
    assert understood["sentiment"]["name"] == "negative"
    assert _events(customer) == before
    assert customer.says(f"{ANNA}") == ["utter_confirm_cancel"], "the form is where it was"


def _events(customer: Customer) -> int:
    return len(asyncio.run(customer.agent.tracker_store.retrieve(customer.name)).events)


def _let_time_pass(customer: Customer, seconds: float) -> None:
    store = customer.agent.tracker_store
    tracker = asyncio.run(store.retrieve(customer.name))
    for event in tracker.events:
        event.timestamp -= seconds
    asyncio.run(store.save(tracker))
