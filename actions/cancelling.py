"""Cancelling an order, and what that costs."""

from __future__ import annotations

from typing import Any

from rasa_sdk.events import EventType

from actions.action import ShopAction, Speaker
from actions.form import CONFIRMED, Slots
from actions.identification import IdentifiedForm, OrderAction
from actions.orders import NOT_LEFT
from actions.shop import Order
from actions.turn import Turn


class CancelOrderForm(IdentifiedForm):
    """Which order is to be stopped, and whether that is really wanted."""

    form = "cancel_order_form"
    intent = "cancel_order"
    own_slots = (CONFIRMED,)

    def ask_own(self, speaker: Speaker, turn: Turn, slots: Slots, order: Order) -> str | None:
        """Ask for a yes with the facts; end where the order cannot be stopped any more."""
        if slots.get(CONFIRMED):
            return None
        if order.status == "cancelled":
            speaker.say("utter_already_cancelled", order=order.number)
            return None
        if order.status not in NOT_LEFT:
            speaker.say("utter_cancel_too_late", order=order.number, status=f"order_{order.status}")
            return None
        facts: dict[str, Any] = {"order": order.number, "total": order.total, "placed_on": order.placed_on}
        if order.cancellation_fee.amount:
            speaker.say("utter_confirm_cancel_with_fee", fee=order.cancellation_fee, **facts)
        else:
            speaker.say("utter_confirm_cancel", **facts)
        return CONFIRMED


class CancelOrder(OrderAction):
    """Stops the order that the form learned."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_cancel_order"

    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Cancel if that was confirmed."""
        if not turn.slots.get(CONFIRMED):
            return
        cancelled = self.shop.cancel_order(order.number, key=self.key(turn))
        speaker.say("utter_order_cancelled", order=cancelled.number, total=cancelled.total)


class CancellationFee(ShopAction):
    """Tells what cancelling costs in the customer's market."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_cancellation_fee"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Tell the fee, or that there is none."""
        terms = self.shop.terms(self.market(turn).code)
        if terms.cancellation_fee.amount:
            speaker.say("utter_cancellation_fee", fee=terms.cancellation_fee)
        else:
            speaker.say("utter_cancellation_free")
        speaker.say("utter_return_window", return_days=terms.return_days)
        return []
