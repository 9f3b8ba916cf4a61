"""A Rasa that dies between an effect and the tracker: the edge repeats the turn, and nothing is done or said twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rasa.core.agent import Agent

from actions import tables
from actions.database import Base
from bot.rasa_turn import TurnFailed
from tests.dialogue.conftest import Customer
from tests.dialogue.shop_data import ANNA, DELIVERED, EVA, PLACED, UNPAID

# What is said before, and the message with the effect.
EFFECTS = {
    "cancel": ([f"cancel_order: {PLACED} {ANNA}"], "/affirm"),
    "refund": ([f"get_refund: {DELIVERED} {EVA}"], "affirm: yes"),
    "address": ([f"change_shipping_address: {PLACED} {ANNA}", "Gasse 5, 80331 München"], "affirm: yes"),
    "second address": ([f"set_up_shipping_address: {PLACED} {ANNA}", "Gasse 5, 80331 München"], "affirm: yes"),
    "quantity": ([f"change_order: {PLACED} {ANNA}", '/choose{"choice": "2"}', "3 please"], "affirm: ok"),
    "person": ([f"cancel_order: {PLACED}"], "contact_human_agent: a person please"),
    "payment": ([], f"payment_issue: {UNPAID} {ANNA}"),
    "complaint": ([], "complaint: your courier was rude"),
    "new account": ([], "create_account: for me@example.net"),
    "new e-mail": ([f"edit_account: my mail is eva2@example.org now, {DELIVERED}", EVA], "affirm: yes"),
    "no account": ([f"delete_account: {DELIVERED} {EVA}"], "affirm: yes"),
    "newsletter": (["newsletter_subscription: news", '/choose{"choice": "subscribe"}'], ANNA),
    "review": (["review: I have an opinion"], "4"),
}
SAID = {
    "cancel": ["utter_order_cancelled"],
    "refund": ["utter_refund_requested", "utter_refund_time"],
    "address": ["utter_address_changed"],
    "second address": ["utter_address_added"],
    "quantity": ["utter_order_changed"],
    "person": ["utter_handoff_queued"],
    "payment": ["utter_payment_charged_twice", "utter_payment_ticket"],
    "complaint": ["utter_complaint_recorded"],
    "new account": ["utter_account_created"],
    "new e-mail": ["utter_email_changed"],
    "no account": ["utter_account_deleted"],
    "newsletter": ["utter_subscribed"],
    "review": ["utter_review_thanks"],
}
TWO = f"track_order: {PLACED} {ANNA} || complaint: the box was open"


@pytest.fixture
def dies_before_storing(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have the tracker not be stored, once, at the n-th time from now: what a kill at that moment leaves."""

    def arm(time: int) -> None:
        left = time
        save = agent.tracker_store.save

        async def saving(tracker: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise TurnFailed("killed")
            await save(tracker)

        monkeypatch.setattr(agent.tracker_store, "save", saving)

    return arm


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_whose_turn_was_not_stored_is_told_at_the_repetition_and_not_made_again(
    effect: str, customer: Customer, dies_before_storing: Callable[[int], None]
) -> None:
    before, message = EFFECTS[effect]
    for text in ["greet: hello", *before]:  # a new conversation's tracker is stored before its first turn as well
        customer.says(text)
    dies_before_storing(1)
    with pytest.raises(TurnFailed):
        customer.says(message, message_id="effect")
    after_the_kill = counts(customer)

    said = customer.says(message, message_id="effect")

    assert counts(customer) == after_the_kill
    assert customer.rows(tables.EffectRow) >= 1, "the action had come so far"
    assert said == SAID[effect]
    assert customer.says(message, message_id="effect") == said


@pytest.mark.parametrize("time", [1, 2])
def test_the_second_request_of_a_message_outlives_a_kill_before_and_after_the_first(
    time: int, customer: Customer, dies_before_storing: Callable[[int], None]
) -> None:
    customer.says("greet: hello")
    dies_before_storing(time)
    with pytest.raises(TurnFailed):
        customer.says(TWO, message_id="two")

    assert customer.says(TWO, message_id="two") == ["utter_order_status", "utter_complaint_recorded"]
    assert customer.rows(tables.TicketRow, kind="complaint") == 1


def counts(customer: Customer) -> dict[str, int]:
    """Return how many rows each of the shop's tables has."""
    return {row.__tablename__: customer.rows(row) for row in Base.__subclasses__()}
