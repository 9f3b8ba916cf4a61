"""Finds orders and accounts by what customers type, and turns rows into what `actions/shop.py` promises. Only reads."""

from __future__ import annotations

import hmac
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.numbers import get_currency_precision
from sqlalchemy import select
from sqlalchemy.orm import Session

from actions import typed
from actions.shop import Address, DeliveryOption, Invoice, Item, Money, Order, Payment, Refund, Shipment, Terms
from actions.tables import CustomerRow, OrderRow, RefundRow, TermsRow

LONGEST_EMAIL = 254
FIRST_REFUND = 200_000


def normal_number(typed_number: str) -> str:
    """Return an order number as it is stored: letters and digits of ASCII, upper case."""
    return _letters_and_digits(typed_number).upper()


def normal_email(typed_email: str) -> str:
    """Return an e-mail as it is stored: lower case, without spaces and invisible signs."""
    plain = typed.plain(typed_email)
    return "".join(char for char in plain if not char.isspace() and unicodedata.category(char) != "Cf").lower()


def normal_postcode(typed_postcode: str) -> str:
    """Return a postcode without spaces, hyphens and case."""
    return _letters_and_digits(typed_postcode).casefold()


def find_order(session: Session, number: str, *, for_change: bool = False) -> OrderRow:
    """Return an order; raises LookupError if there is none. `for_change` keeps others from changing it meanwhile."""
    query = select(OrderRow).where(OrderRow.number == normal_number(number))
    order: OrderRow | None = session.scalars(query.with_for_update() if for_change else query).one_or_none()
    if order is None:
        raise LookupError("there is no such order")
    return order


def find_account(session: Session, email: str) -> CustomerRow | None:
    """Return an account, kept from other changes until the transaction ends; None if there is none."""
    query = select(CustomerRow).where(CustomerRow.email == normal_email(email)).with_for_update()
    account: CustomerRow | None = session.scalars(query).one_or_none()
    return account


def find_terms(session: Session, market: str) -> TermsRow:
    """Return a market's terms, those of the first market if it has none; LookupError if there are none at all."""
    first = select(TermsRow).order_by(TermsRow.position).limit(1)
    terms: TermsRow | None = session.get(TermsRow, market) or session.scalars(first).one_or_none()
    if terms is None:
        raise LookupError("no market has terms: fill the table `terms`")
    return terms


def belongs(order: OrderRow, *, email: str | None, postcode: str | None) -> bool:
    """Tell whether the e-mail (the order's or now its account's) or the postcode is the order's."""
    emails = [order.email] + ([order.customer.email] if order.customer else [])
    return any(_same(normal_email(email or ""), known) for known in emails) or _same(
        normal_postcode(postcode or ""), normal_postcode(order.address.postcode)
    )


def email_on_file(order: OrderRow) -> str:
    """Return where mails about an order go: to its account as it is now, else where it was placed from."""
    return str(order.customer.email if order.customer else order.email)


def money(amount: Decimal, currency: str) -> Money:
    """Return an amount with as many decimals as its currency has."""
    return Money(amount.quantize(Decimal(1).scaleb(-get_currency_precision(currency))), currency)


def local_day(moment: datetime, terms: TermsRow) -> date:
    """Return the day that a moment is in a market."""
    return moment.astimezone(ZoneInfo(terms.time_zone)).date()


def read_order(order: OrderRow) -> Order:
    """Return an order as its owner may see it."""

    def amount(value: Decimal) -> Money:
        return money(value, order.currency)

    place, invoice = order.address, order.invoice
    return Order(
        number=order.number,
        market=order.market,
        email=email_on_file(order),
        status=order.status,
        placed_on=local_day(order.placed_at, order.terms),
        total=amount(order.total),
        address=Address(place.name, place.street, place.postcode, place.city, place.country),
        items=tuple(
            Item(item.line, item.product.name, item.variant, item.quantity, amount(item.price)) for item in order.items
        ),
        shipments=tuple(
            Shipment(parcel.carrier, parcel.tracking_number, parcel.status, parcel.expected_on, parcel.delivered_on)
            for parcel in order.shipments
        ),
        payments=tuple(Payment(paid.method, paid.status, amount(paid.amount)) for paid in order.payments),
        invoice=Invoice(invoice.number, invoice.issued_on, amount(invoice.total)) if invoice else None,
        refunds=tuple(read_refund(refund) for refund in order.refunds),
        cancellation_fee=amount(order.cancellation_fee),
    )


def read_refund(refund: RefundRow) -> Refund:
    """Return a refund with its number."""
    return Refund(
        f"R{FIRST_REFUND + refund.id}",
        money(refund.amount, refund.currency),
        refund.status,
        refund.requested_on,
        refund.expected_on,
    )


def read_terms(terms: TermsRow) -> Terms:
    """Return what a market promises."""
    return Terms(
        delivery=tuple(
            DeliveryOption(
                option["name"], money(Decimal(option["price"]), terms.currency), option["days_min"], option["days_max"]
            )
            for option in terms.delivery
        ),
        free_from=money(terms.free_from, terms.currency),
        return_days=terms.return_days,
        refund_days=terms.refund_days,
        cancellation_fee=money(terms.cancellation_fee, terms.currency),
        payment_methods=tuple(terms.payment_methods),
    )


def _letters_and_digits(text: str) -> str:
    return "".join(char for char in typed.plain(text) if char.isalnum())


def _same(given: str, known: str) -> bool:
    # In constant time, and nothing is never the same as nothing.
    return bool(given) and hmac.compare_digest(given.encode(), known.encode())
