"""The shop's tables: their shape alone. `sql_*.py` reads and writes them, `bot/migrations/` makes them.

Moments are in UTC, days are the market's own. Money stands beside its currency (ISO 4217). E-mails and order numbers
are stored as `actions/lookup.py` normalises them. `audit` is append-only: triggers made by the migration see to that.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from sqlalchemy import JSON, CheckConstraint, Column, Date, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import relationship

from actions.database import NEVER_AGAIN, Amount, Base, UtcDateTime
from actions.shop import OrderStatus, PaymentStatus, RefundStatus, ShipmentStatus, TicketKind

AccountKind = Literal["private", "business"]
SubscriptionStatus = Literal["requested", "active", "ended"]


def one_of(column: str, kind: Any) -> CheckConstraint:
    """Allow only a Literal's values in a column."""
    values = ", ".join(f"'{value}'" for value in get_args(kind))
    return CheckConstraint(f"{column} IN ({values})", name=column)


class TermsRow(Base):
    """What a market promises; `delivery` is a list of {name, price, days_min, days_max}, the price as a string."""

    __tablename__ = "terms"
    market = Column(String(16), primary_key=True)
    position = Column(Integer, nullable=False, unique=True)
    time_zone = Column(String(64), nullable=False)
    currency = Column(String(3), nullable=False)
    delivery = Column(JSON, nullable=False)
    free_from = Column(Amount, nullable=False)
    return_days = Column(Integer, nullable=False)
    refund_days = Column(Integer, nullable=False)
    cancellation_fee = Column(Amount, nullable=False)
    payment_methods = Column(JSON, nullable=False)


class CustomerRow(Base):
    """An account. Whoever orders as a guest has none."""

    __tablename__ = "customers"
    __table_args__ = (one_of("kind", AccountKind), NEVER_AGAIN)
    id = Column(Integer, primary_key=True)
    email = Column(Text, nullable=False, unique=True)
    kind = Column(String(16), nullable=False, default="private")
    market = Column(String(16), nullable=False)
    created_at = Column(UtcDateTime, nullable=False)
    confirmed_at = Column(UtcDateTime)
    addresses = relationship("AddressRow", order_by="AddressRow.id", passive_deletes=True)


class AddressRow(Base):
    """A postal address, saved with an account or used by an order alone."""

    __tablename__ = "addresses"
    id = Column(Integer, primary_key=True)
    customer_id = Column(ForeignKey("customers.id", ondelete="SET NULL"), index=True)
    name = Column(Text, nullable=False)
    street = Column(Text, nullable=False)
    postcode = Column(Text, nullable=False)
    city = Column(Text, nullable=False)
    country = Column(String(2), nullable=False)


class ProductRow(Base):
    """A product; `variants` is a list of names, `prices` maps currencies to amounts as strings."""

    __tablename__ = "products"
    id = Column(Integer, primary_key=True)
    name = Column(Text, nullable=False, unique=True)
    variants = Column(JSON, nullable=False)
    prices = Column(JSON, nullable=False)


class OrderRow(Base):
    """An order. `email` is the one it was placed with; `total` is its items and `shipping`."""

    __tablename__ = "orders"
    __table_args__ = (one_of("status", OrderStatus),)
    id = Column(Integer, primary_key=True)
    number = Column(String(32), nullable=False, unique=True)
    market = Column(ForeignKey("terms.market"), nullable=False, index=True)
    customer_id = Column(ForeignKey("customers.id", ondelete="SET NULL"), index=True)
    email = Column(Text, nullable=False)
    address_id = Column(ForeignKey("addresses.id"), nullable=False)
    status = Column(String(16), nullable=False)
    placed_at = Column(UtcDateTime, nullable=False)
    currency = Column(String(3), nullable=False)
    shipping = Column(Amount, nullable=False)
    total = Column(Amount, nullable=False)
    cancellation_fee = Column(Amount, nullable=False)
    terms = relationship("TermsRow")
    customer = relationship("CustomerRow")
    address = relationship("AddressRow")
    items = relationship("ItemRow", order_by="ItemRow.line", cascade="all, delete-orphan")
    shipments = relationship("ShipmentRow", order_by="ShipmentRow.id", cascade="all, delete-orphan")
    payments = relationship("PaymentRow", order_by="PaymentRow.id", cascade="all, delete-orphan")
    refunds = relationship("RefundRow", order_by="RefundRow.id", cascade="all, delete-orphan")
    invoice = relationship("InvoiceRow", uselist=False, cascade="all, delete-orphan")


class ItemRow(Base):
    """One line of an order; `price` is one piece's."""

    __tablename__ = "items"
    __table_args__ = (UniqueConstraint("order_id", "line"), CheckConstraint("quantity > 0", name="quantity"))
    id = Column(Integer, primary_key=True)
    order_id = Column(ForeignKey("orders.id"), nullable=False)
    line = Column(Integer, nullable=False)
    product_id = Column(ForeignKey("products.id"), nullable=False, index=True)
    variant = Column(Text, nullable=False)
    quantity = Column(Integer, nullable=False)
    price = Column(Amount, nullable=False)
    product = relationship("ProductRow")


class ShipmentRow(Base):
    """One parcel."""

    __tablename__ = "shipments"
    __table_args__ = (one_of("status", ShipmentStatus),)
    id = Column(Integer, primary_key=True)
    order_id = Column(ForeignKey("orders.id"), nullable=False, index=True)
    carrier = Column(Text, nullable=False)
    tracking_number = Column(String(64), nullable=False, unique=True)
    status = Column(String(20), nullable=False)
    expected_on = Column(Date)
    delivered_on = Column(Date)


class InvoiceRow(Base):
    """The invoice of an order, issued when it leaves the house."""

    __tablename__ = "invoices"
    id = Column(Integer, primary_key=True)
    order_id = Column(ForeignKey("orders.id"), nullable=False, unique=True)
    number = Column(String(32), nullable=False, unique=True)
    issued_on = Column(Date, nullable=False)
    currency = Column(String(3), nullable=False)
    total = Column(Amount, nullable=False)


class PaymentRow(Base):
    """One payment, made or tried. `charged_twice` means that `amount` was taken twice."""

    __tablename__ = "payments"
    __table_args__ = (one_of("status", PaymentStatus),)
    id = Column(Integer, primary_key=True)
    order_id = Column(ForeignKey("orders.id"), nullable=False, index=True)
    method = Column(String(32), nullable=False)
    status = Column(String(16), nullable=False)
    currency = Column(String(3), nullable=False)
    amount = Column(Amount, nullable=False)


class RefundRow(Base):
    """Money given back, or asked back."""

    __tablename__ = "refunds"
    __table_args__ = (one_of("status", RefundStatus), NEVER_AGAIN)
    id = Column(Integer, primary_key=True)
    order_id = Column(ForeignKey("orders.id"), nullable=False, index=True)
    status = Column(String(16), nullable=False)
    currency = Column(String(3), nullable=False)
    amount = Column(Amount, nullable=False)
    requested_on = Column(Date, nullable=False)
    expected_on = Column(Date)


class TicketRow(Base):
    """A matter for the team; `reason` is a short stable word."""

    __tablename__ = "tickets"
    __table_args__ = (one_of("kind", TicketKind), NEVER_AGAIN)
    id = Column(Integer, primary_key=True)
    kind = Column(String(32), nullable=False)
    conversation = Column(Text, nullable=False, index=True)
    market = Column(String(16), nullable=False)
    reason = Column(String(64), nullable=False)
    created_at = Column(UtcDateTime, nullable=False)


class ReviewRow(Base):
    """One to five stars for the shop."""

    __tablename__ = "reviews"
    __table_args__ = (CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),)
    id = Column(Integer, primary_key=True)
    market = Column(String(16), nullable=False)
    conversation = Column(Text, nullable=False, index=True)
    order_id = Column(ForeignKey("orders.id"), index=True)
    stars = Column(Integer, nullable=False)
    created_at = Column(UtcDateTime, nullable=False)


class SubscriptionRow(Base):
    """The newsletter of one e-mail address; `active` only after the link in the mail was followed."""

    __tablename__ = "subscriptions"
    __table_args__ = (one_of("status", SubscriptionStatus),)
    id = Column(Integer, primary_key=True)
    email = Column(Text, nullable=False, unique=True)
    market = Column(String(16), nullable=False)
    status = Column(String(16), nullable=False)
    changed_at = Column(UtcDateTime, nullable=False)


class MailRow(Base):
    """A mail that the shop has to send. Links with secrets are made by whoever sends it, and never stored."""

    __tablename__ = "mails"
    id = Column(Integer, primary_key=True)
    kind = Column(String(32), nullable=False)
    recipient = Column(Text, nullable=False, index=True)
    market = Column(String(16), nullable=False)
    payload = Column(JSON, nullable=False)
    created_at = Column(UtcDateTime, nullable=False)


class EffectRow(Base):
    """A change that was made, under its idempotency key, with the result that was returned."""

    __tablename__ = "effects"
    key = Column(Text, primary_key=True)
    method = Column(String(64), nullable=False)
    # A result may tell things about a person: it goes when her account goes.
    customer_id = Column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    result = Column(JSON)
    created_at = Column(UtcDateTime, nullable=False)


class AuditRow(Base):
    """What was changed when. Append-only, therefore without personal data: `subject` is like `order:204511`."""

    __tablename__ = "audit"
    id = Column(Integer, primary_key=True)
    at = Column(UtcDateTime, nullable=False)
    method = Column(String(64), nullable=False)
    subject = Column(String(64), nullable=False, index=True)
    details = Column(JSON, nullable=False)
