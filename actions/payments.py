"""Ways to pay, and payments that went wrong."""

from __future__ import annotations

from rasa_sdk.events import EventType

from actions.action import ShopAction, Speaker
from actions.identification import IdentifiedForm, OrderAction
from actions.shop import Order
from actions.turn import Turn


class PaymentMethods(ShopAction):
    """Tells how one can pay in the customer's market."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_payment_methods"

    def act(self, speaker: Speaker, turn: Turn) -> list[EventType]:
        """List the methods."""
        terms = self.shop.terms(self.market(turn).code)
        speaker.say("utter_payment_methods", methods=[f"method_{method}" for method in terms.payment_methods])
        return []


class PaymentIssueForm(IdentifiedForm):
    """Which order's payment went wrong."""

    form = "payment_issue_form"
    intent = "payment_issue"


class PaymentIssue(OrderAction):
    """Tells the state of an order's payments and gives the matter to the team."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_payment_issue"

    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Tell each payment's state and open a ticket."""
        for payment in order.payments:
            speaker.say(
                f"utter_payment_{payment.status}",
                order=order.number,
                amount=payment.amount,
                method=f"method_{payment.method}",
            )
        worst = next((paid.status for paid in order.payments if paid.status in {"failed", "charged_twice"}), "reported")
        ticket = self.shop.open_ticket(
            "payment_issue",
            conversation=turn.conversation,
            market=self.market(turn).code,
            reason=worst,
            key=self.key(turn),
        )
        speaker.say("utter_payment_ticket", reference=ticket.reference)
