"""What can be done with an order, on the shop's tables. Works in the session of its caller; `now` is in UTC.

The functions have the names of the methods of `actions/shop.py`, which say what they promise.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from actions.lookup import email_on_file, find_order, local_day, read_order, read_refund
from actions.once import Done
from actions.shop import Address, Invoice, NotAllowed, Order, Refund
from actions.tables import AddressRow, ItemRow, MailRow, OrderRow, PaymentRow, RefundRow

NOT_LEFT = frozenset({"placed", "packed"})
MOST_PIECES = 99
NOTHING = Decimal(0)


def cancel_order(session: Session, now: datetime, number: str) -> Done[Order]:
    """Stop an order and give back what was paid, less the fee."""
    order = _changeable(session, number)
    order.status = "cancelled"
    _forget_pending(order)
    refund = _charged(order) - _refunded(order) - order.cancellation_fee
    if refund > NOTHING:
        _refund(order, refund, "approved", local_day(now, order.terms))
    _mail(session, order, "order_cancelled", now)
    session.flush()
    return _done(order, refund=str(max(refund, NOTHING)))


def change_quantity(session: Session, now: datetime, number: str, line: int, quantity: int) -> Done[Order]:
    """Set the quantity of a line; what is then paid too much is given back, what is owed is due."""
    order = _changeable(session, number)
    item = next((item for item in order.items if item.line == line), None)
    if item is None:
        raise LookupError("there is no such line")
    if not 0 <= quantity <= MOST_PIECES:
        raise NotAllowed("quantity")
    if quantity == 0 and len(order.items) == 1:
        raise NotAllowed("last_item")
    before = item.quantity
    _set_quantity(order, item, quantity)
    _settle(order, local_day(now, order.terms))
    _mail(session, order, "order_changed", now)
    session.flush()
    return _done(order, line=line, before=before, after=quantity)


def change_shipping_address(session: Session, now: datetime, number: str, address: Address) -> Done[Order]:
    """Send an order elsewhere in the same country."""
    order = _changeable(session, number)
    if address.country.upper() != order.address.country:
        raise NotAllowed("other_country")
    # A row of its own: the address saved with the account stays as it is.
    order.address = address_row(address, customer=None)
    _mail(session, order, "order_changed", now)
    session.flush()
    return _done(order)


def send_invoice(session: Session, now: datetime, number: str) -> Done[Invoice]:
    """Mail the invoice to the e-mail on file."""
    order = find_order(session, number, for_change=True)
    invoice = read_order(order).invoice
    if invoice is None:
        raise NotAllowed("no_invoice")
    _mail(session, order, "invoice", now, invoice=invoice.number)
    return Done(invoice, f"order:{order.number}", order.customer_id)


def request_refund(session: Session, now: datetime, number: str) -> Done[Refund]:
    """Ask for the money of an order back that was delivered, sent back or cancelled."""
    order = find_order(session, number, for_change=True)
    today = local_day(now, order.terms)
    if order.status in NOT_LEFT | {"shipped"}:
        raise NotAllowed("not_delivered")
    if order.status == "delivered" and today > _last_day_to_return(order):
        raise NotAllowed("too_late")
    amount = _charged(order) - _refunded(order)
    if amount <= NOTHING:
        raise NotAllowed("already_requested" if order.refunds else "nothing_paid")
    row = _refund(order, amount, "requested", today)
    session.flush()
    refund = read_refund(row)
    _mail(session, order, "refund_requested", now, refund=refund.number)
    return Done(refund, f"order:{order.number}", order.customer_id, {"amount": str(amount)})


def address_row(address: Address, customer: int | None) -> AddressRow:
    """Make the row of an address, with outer spaces removed; `customer` is the id of the account it is saved with."""
    row: AddressRow = AddressRow(
        customer_id=customer,
        name=address.name.strip(),
        street=address.street.strip(),
        postcode=address.postcode.strip(),
        city=address.city.strip(),
        country=address.country.upper(),
    )
    return row


def _changeable(session: Session, number: str) -> OrderRow:
    order = find_order(session, number, for_change=True)
    if order.status == "cancelled":
        raise NotAllowed("already_cancelled")
    if order.status not in NOT_LEFT:
        raise NotAllowed("already_left")
    return order


def _set_quantity(order: OrderRow, item: ItemRow, quantity: int) -> None:
    if quantity:
        item.quantity = quantity
    else:
        order.items.remove(item)
    order.total = order.shipping + sum((item.price * item.quantity for item in order.items), NOTHING)


def _settle(order: OrderRow, today: date) -> None:
    """Make payments and refunds agree with the total. What was charged twice is the team's to clear up."""
    method = order.payments[-1].method if order.payments else order.terms.payment_methods[0]
    _forget_pending(order)
    paid = sum((payment.amount for payment in order.payments if payment.status in {"paid", "charged_twice"}), NOTHING)
    balance = paid - _refunded(order) - order.total
    if balance > NOTHING:
        _refund(order, balance, "approved", today)
    elif balance < NOTHING:
        order.payments.append(PaymentRow(method=method, status="pending", currency=order.currency, amount=-balance))


def _forget_pending(order: OrderRow) -> None:
    order.payments = [payment for payment in order.payments if payment.status != "pending"]


def _charged(order: OrderRow) -> Decimal:
    times = {"paid": 1, "charged_twice": 2}
    return sum((payment.amount * times.get(payment.status, 0) for payment in order.payments), NOTHING)


def _refunded(order: OrderRow) -> Decimal:
    return sum((refund.amount for refund in order.refunds if refund.status != "refused"), NOTHING)


def _refund(order: OrderRow, amount: Decimal, status: str, today: date) -> RefundRow:
    expected = today + timedelta(days=order.terms.refund_days)
    row: RefundRow = RefundRow(
        status=status, currency=order.currency, amount=amount, requested_on=today, expected_on=expected
    )
    order.refunds.append(row)
    return row


def _last_day_to_return(order: OrderRow) -> date:
    arrived = [parcel.delivered_on for parcel in order.shipments if parcel.delivered_on]
    # An order without a recorded arrival is in time: the shop cannot prove otherwise.
    return max(arrived) + timedelta(days=order.terms.return_days) if arrived else date.max


def _mail(session: Session, order: OrderRow, kind: str, now: datetime, **payload: str) -> None:
    session.add(
        MailRow(
            kind=kind,
            recipient=email_on_file(order),
            market=order.market,
            payload={"order": order.number, **payload},
            created_at=now,
        )
    )


def _done(order: OrderRow, **details: str | int) -> Done[Order]:
    return Done(read_order(order), f"order:{order.number}", order.customer_id, details)
