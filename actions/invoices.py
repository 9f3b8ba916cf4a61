"""Invoices: what one says, and a copy by mail."""

from __future__ import annotations

from actions.action import Speaker, masked
from actions.identification import IdentifiedForm, OrderAction
from actions.shop import Order
from actions.turn import Turn


class CheckInvoiceForm(IdentifiedForm):
    """Whose invoice is to be shown."""

    form = "check_invoice_form"
    intent = "check_invoice"
    looks_up = True


class CheckInvoice(OrderAction):
    """Tells an invoice's number, date and total."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_check_invoice"

    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Tell the invoice, or that there is none yet."""
        if order.invoice is None:
            speaker.say("utter_no_invoice", order=order.number)
            return
        invoice = order.invoice
        speaker.say(
            "utter_invoice",
            order=order.number,
            invoice=invoice.number,
            issued_on=invoice.issued_on,
            total=invoice.total,
        )


class GetInvoiceForm(IdentifiedForm):
    """Whose invoice is to be sent."""

    form = "get_invoice_form"
    intent = "get_invoice"
    looks_up = True


class GetInvoice(OrderAction):
    """Sends a copy of an invoice to the e-mail on file."""

    def name(self) -> str:
        """The action's name in the domain."""
        return "action_get_invoice"

    def act_on(self, speaker: Speaker, turn: Turn, order: Order) -> None:
        """Send the invoice, or tell that there is none yet."""
        if order.invoice is None:
            speaker.say("utter_no_invoice", order=order.number)
            return
        invoice = self.shop.send_invoice(order.number, key=self.key(turn))
        speaker.say("utter_invoice_sent", order=order.number, invoice=invoice.number, email=masked(order.email))
