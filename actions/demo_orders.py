"""What has happened to each of the demo shop's orders: payment, parcel, invoice, refund. Makes rows, opens nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from actions.shop import OrderStatus, PaymentStatus, RefundStatus, ShipmentStatus
from actions.tables import InvoiceRow, OrderRow, PaymentRow, RefundRow, ShipmentRow


@dataclass(frozen=True)
class Story:
    """One order's life: placed between `youngest` and `oldest` days ago, and how it stands today."""

    status: OrderStatus
    youngest: int
    oldest: int
    payment: PaymentStatus = "paid"
    parcel: ShipmentStatus | None = None
    refund: RefundStatus | None = None


PLACED = Story("placed", 1, 2)
PACKED = Story("packed", 1, 3, parcel="announced")
ON_ITS_WAY = Story("shipped", 2, 5, parcel="in_transit")
DELIVERED = Story("delivered", 8, 25, parcel="delivered")
# Every market has one order of each.
STORIES = (
    *(PLACED, PLACED, PACKED, PACKED, ON_ITS_WAY, ON_ITS_WAY, ON_ITS_WAY, DELIVERED, DELIVERED, DELIVERED, DELIVERED),
    Story("placed", 1, 2, payment="pending"),
    Story("placed", 1, 3, payment="failed"),
    Story("packed", 1, 3, payment="charged_twice", parcel="announced"),
    Story("shipped", 3, 5, parcel="out_for_delivery"),
    Story("shipped", 3, 5, payment="charged_twice", parcel="out_for_delivery"),
    Story("shipped", 5, 8, parcel="held"),
    Story("shipped", 12, 18, parcel="lost"),
    Story("delivered", 6, 12, payment="charged_twice", parcel="delivered"),
    Story("delivered", 60, 120, parcel="delivered"),
    Story("delivered", 120, 300, parcel="delivered"),
    Story("delivered", 10, 20, parcel="delivered", refund="requested"),
    Story("delivered", 40, 60, parcel="delivered", refund="refused"),
    Story("returned", 15, 25, parcel="delivered", refund="requested"),
    Story("returned", 18, 30, parcel="delivered", refund="approved"),
    Story("returned", 40, 90, payment="refunded", parcel="delivered", refund="paid"),
    Story("cancelled", 3, 5, refund="approved"),
    Story("cancelled", 20, 60, payment="refunded", refund="paid"),
    Story("cancelled", 5, 30, payment="failed"),
    Story("cancelled", 5, 30, payment="failed"),
)


def add_parts(order: OrderRow, story: Story, placed_on: date, today: date, carrier: str, random: Random) -> None:
    """Give an order, which has its items and total, what its story says."""
    _add_payment(order, story, random)
    left_on = placed_on + timedelta(days=1)
    if story.parcel:
        tracking_number = f"LX{random.randrange(10**8, 10**9)}{order.address.country}"
        parcel = ShipmentRow(carrier=carrier, tracking_number=tracking_number, status=story.parcel)
        _date_parcel(parcel, story.parcel, left_on, today, random)
        order.shipments.append(parcel)
    if order.status in {"shipped", "delivered", "returned"}:
        number = f"{left_on.year}-{order.number}"
        order.invoice = InvoiceRow(number=number, issued_on=left_on, currency=order.currency, total=order.total)
    if story.refund:
        order.refunds.append(_refund(order, story.refund, placed_on, today))


def _add_payment(order: OrderRow, story: Story, random: Random) -> None:
    methods = order.terms.payment_methods
    # The first two are the usual ones; the last is paid on delivery or later, where a market has such a thing.
    method = methods[-1] if story.payment == "pending" else random.choice(methods[:2])
    order.payments.append(PaymentRow(method=method, status=story.payment, currency=order.currency, amount=order.total))


def _date_parcel(parcel: ShipmentRow, status: ShipmentStatus, left_on: date, today: date, random: Random) -> None:
    if status == "delivered":
        parcel.expected_on = parcel.delivered_on = left_on + timedelta(days=random.randint(2, 4))
    elif status == "out_for_delivery":
        parcel.expected_on = today
    elif status == "lost":
        parcel.expected_on = left_on + timedelta(days=4)
    elif status != "held":
        parcel.expected_on = today + timedelta(days=random.randint(1, 4))


def _refund(order: OrderRow, status: RefundStatus, placed_on: date, today: date) -> RefundRow:
    arrived = [parcel.delivered_on for parcel in order.shipments]
    requested = min(max([placed_on, *arrived]) + timedelta(days=1), today)
    expected = None if status == "refused" else requested + timedelta(days=order.terms.refund_days)
    if expected and status != "paid":
        expected = max(expected, today + timedelta(days=2))
    fee = order.cancellation_fee if order.status == "cancelled" else Decimal(0)
    row: RefundRow = RefundRow(
        status=status,
        currency=order.currency,
        amount=max(order.total - fee, Decimal(0)),
        requested_on=requested,
        expected_on=expected,
    )
    return row
