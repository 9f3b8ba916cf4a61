"""Money back: the rules, a request, and where a refund is."""

from __future__ import annotations

from typing import Any

from rasa_sdk.events import EventType

from actions.action import ShopAction, Speaker
from actions.form import CONFIRMED, Slots
from actions.identification import IdentifiedForm, OrderAction
from actions.orders import NOT_LEFT
from actions.shop import Order, Refund
from actions.turn import Turn


class RefundPolicy(ShopAction):
    """Tells the rules of the customer's market."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_refund_policy"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """Tell how long one may return, and when the money comes."""
        terms = self.shop.terms(self.market(turn).code)
        speaker.say("utter_return_window", return_days=terms.return_days)
        speaker.say("utter_refund_time", refund_days=terms.refund_days)
        return []


class GetRefundForm(IdentifiedForm):
    """Which order's money is wanted back, and whether really."""

    form = "get_refund_form"
    intent = "get_refund"
    own_slots = (CONFIRMED,)

    def ask_own(self, speaker: Speaker, turn: Turn, slots: Slots, order: Order) -> str | None:
        """Ask for a yes with the facts; end where nothing can be asked back now."""
        if slots.get(CONFIRMED):
            return None
        if _open_refund(order):
            _tell_refunds(speaker, order)
            return None
        if order.status in NOT_LEFT:
            speaker.say("utter_refund_cancel_instead", order=order.number)
            return None
        if order.status == "shipped":
            speaker.say("utter_refund_after_delivery", order=order.number)
            return None
        speaker.say("utter_confirm_refund", order=order.number, total=order.total)
        return CONFIRMED


class GetRefund(OrderAction):
    """Asks for the refund that the form learned."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_get_refund"

    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Request the refund if that was confirmed."""
        if not turn.slots.get(CONFIRMED):
            return
        refund = self.shop.request_refund(order.number, key=self.key(turn))
        speaker.say("utter_refund_requested", order=order.number, refund=refund.number, amount=refund.amount)
        terms = self.shop.terms(order.market)
        speaker.say("utter_refund_time", refund_days=terms.refund_days)


class TrackRefundForm(IdentifiedForm):
    """Which order's refund is asked about."""

    form = "track_refund_form"
    intent = "track_refund"
    looks_up = True


class TrackRefund(OrderAction):
    """Tells where an order's refunds are."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_track_refund"

    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Tell each refund's state, or that there is none."""
        if order.refunds:
            _tell_refunds(speaker, order)
        else:
            speaker.say("utter_no_refund", order=order.number)


def _open_refund(order: Order) -> Refund | None:
    return next((refund for refund in order.refunds if refund.status != "refused"), None)


def _tell_refunds(speaker: Speaker, order: Order) -> None:
    for refund in order.refunds:
        facts: dict[str, Any] = {"order": order.number, "refund": refund.number, "amount": refund.amount}
        if refund.expected_on and refund.status in {"requested", "approved"}:
            speaker.say(
                "utter_refund_expected", status=f"refund_{refund.status}", expected_on=refund.expected_on, **facts
            )
        else:
            speaker.say("utter_refund_status", status=f"refund_{refund.status}", **facts)
