"""A small shop in a database of its own: orders in every state that the dialogue tells apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Engine

from actions import tables
from actions.database import metadata, transaction

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANNA, EVA, POSTCODE = "anna@example.com", "eva@example.org", "10115"
SHIPPED, PLACED, DELIVERED, UNPAID, GUEST = "204511", "204512", "204513", "204514", "204515"


def fill(engine: Engine) -> None:
    """Make the tables and put the shop into them."""
    metadata.create_all(engine)
    with transaction(engine) as session:
        session.add(
            tables.TermsRow(
                market="de-DE",
                position=1,
                time_zone="Europe/Berlin",
                currency="EUR",
                delivery=[
                    {"name": "standard", "price": "4.90", "days_min": 2, "days_max": 4},
                    {"name": "express", "price": "9.90", "days_min": 1, "days_max": 1},
                ],
                free_from=50,
                return_days=30,
                refund_days=5,
                cancellation_fee=0,
                payment_methods=["card", "paypal", "klarna"],
            )
        )
        lamp = tables.ProductRow(name="Lamp", variants=["red"], prices={"EUR": "20.00"})
        rug = tables.ProductRow(name="Rug", variants=[""], prices={"EUR": "10.00"})
        account = {"kind": "private", "market": "de-DE", "created_at": NOW}
        anna, eva = (tables.CustomerRow(email=email, **account) for email in (ANNA, EVA))
        session.add_all([lamp, rug, anna, eva])
        _order(session, SHIPPED, "shipped", anna, ANNA, [lamp, rug])
        _order(session, PLACED, "placed", anna, ANNA, [lamp, rug])
        _order(session, DELIVERED, "delivered", eva, EVA, [lamp])
        _order(session, UNPAID, "placed", anna, ANNA, [lamp], paid="charged_twice")
        _order(session, GUEST, "delivered", None, "guest@example.com", [lamp])


def _order(session, number, status, customer, email, products, *, paid="paid"):  # noqa: ANN001, ANN202
    left = status in {"shipped", "delivered"}
    order = tables.OrderRow(
        number=number,
        market="de-DE",
        customer=customer,
        email=email,
        status=status,
        placed_at=NOW - timedelta(days=5),
        currency="EUR",
        shipping=0,
        total=20 + 10 * (len(products) - 1),
        cancellation_fee=0,
        address=tables.AddressRow(name="A", street="Alte Str. 1", postcode=POSTCODE, city="Berlin", country="DE"),
    )
    for line, product in enumerate(products, start=1):
        order.items.append(
            tables.ItemRow(
                line=line, product=product, variant=product.variants[0], quantity=1, price=20 if line == 1 else 10
            )
        )
    order.payments.append(tables.PaymentRow(method="card", status=paid, currency="EUR", amount=order.total))
    if left:
        arrived = (NOW - timedelta(days=1)).date() if status == "delivered" else None
        order.shipments.append(
            tables.ShipmentRow(
                carrier="DHL",
                tracking_number=f"T{number}",
                status="delivered" if arrived else "in_transit",
                expected_on=None if arrived else (NOW + timedelta(days=2)).date(),
                delivered_on=arrived,
            )
        )
        order.invoice = tables.InvoiceRow(number=f"I{number}", issued_on=NOW.date(), currency="EUR", total=order.total)
    session.add(order)
