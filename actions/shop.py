"""The interface between the actions and whatever shop system stands behind them.

A merchant connects another system by writing one class with these methods and naming it in `POLYDESK_SHOP`
(`package.module:Class`). Nothing here knows SQL, Rasa or a language: texts are made in `bot/replies/`.

Methods that change something take `key`, an idempotency key: the same call with the same key has its effect once and
returns the same result, so that a turn may be repeated after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol

OrderStatus = Literal["placed", "packed", "shipped", "delivered", "cancelled", "returned"]
ShipmentStatus = Literal["announced", "in_transit", "out_for_delivery", "delivered", "held", "lost"]
PaymentStatus = Literal["pending", "paid", "failed", "charged_twice", "refunded"]
RefundStatus = Literal["requested", "approved", "paid", "refused"]
TicketKind = Literal["handoff", "complaint", "payment_issue", "registration_problem", "change_order"]


class ShopUnavailable(Exception):
    """The shop's system cannot be reached now; the turn fails as a whole and is repeated."""


class NotAllowed(Exception):
    """The shop's rules forbid the change (a shipped order is not cancelled); `reason` is a short stable word.

    Ours: `already_left`, `already_cancelled`, `last_item`, `quantity` (not 0 to 99), `other_country`, `no_invoice`,
    `not_delivered`, `too_late` (to return), `already_requested` and `nothing_paid` (refunds), `exists` and
    `invalid_email` (accounts, newsletter), `open_orders`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Money:
    """An amount in a currency (ISO 4217)."""

    amount: Decimal
    currency: str


@dataclass(frozen=True)
class Address:
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    name: str
    street: str
    postcode: str
    city: str
    country: str


@dataclass(frozen=True)
class Item:
    """One line of an order; `line` counts from 1 within its order."""

    line: int
    product: str
    variant: str
    quantity: int
    price: Money


@dataclass(frozen=True)
class Shipment:
    """One parcel of an order."""

    carrier: str
    tracking_number: str
    status: ShipmentStatus
    expected_on: date | None
    delivered_on: date | None


@dataclass(frozen=True)
class Payment:
    """One payment made or tried for an order."""

    method: str
    status: PaymentStatus
    amount: Money


@dataclass(frozen=True)
class Invoice:
    """An invoice of an order."""

    number: str
    issued_on: date
    total: Money


@dataclass(frozen=True)
class Refund:
    """A refund of an order; `expected_on` is when the money should arrive."""

    number: str
    amount: Money
    status: RefundStatus
    requested_on: date
    expected_on: date | None


@dataclass(frozen=True)
class Order:
    """An order as its owner may see it."""

    number: str
    market: str
    email: str
    status: OrderStatus
    placed_on: date
    total: Money
    address: Address
    items: tuple[Item, ...]
    shipments: tuple[Shipment, ...]
    payments: tuple[Payment, ...]
    invoice: Invoice | None
    refunds: tuple[Refund, ...]
    cancellation_fee: Money


@dataclass(frozen=True)
class DeliveryOption:
    """One way of shipping to a country, with its usual time in working days."""

    name: Literal["standard", "express", "pickup"]
    price: Money
    days_min: int
    days_max: int


@dataclass(frozen=True)
class Terms:
    """What a market promises: times in days; `free_from` is the order value from which standard delivery is free."""

    delivery: tuple[DeliveryOption, ...]
    free_from: Money
    return_days: int
    refund_days: int
    cancellation_fee: Money
    payment_methods: tuple[str, ...]


@dataclass(frozen=True)
class Ticket:
    """A matter that a person will look at; `reference` is what the customer is told."""

    reference: str
    kind: TicketKind
    created_at: datetime


class Shop(Protocol):
    """What the actions ask of a shop. Order numbers and e-mails come as the customer typed them; the shop normalises.

    Every method may raise `ShopUnavailable`. Methods that change an order raise `NotAllowed` when the rules forbid it,
    and `LookupError` when there is no such order or account.
    """

    def identify(self, number: str, *, email: str | None = None, postcode: str | None = None) -> Order | None:
        """Return the order if the number and the e-mail or the postcode belong together, else None.

        This is the only way to an order: nothing personal is told to somebody who does not know both. A wrong number
        and a wrong e-mail give the same answer.
        """

    def terms(self, market: str) -> Terms:
        """Return what a market promises; an unknown market gives the first market's."""

    def cancel_order(self, number: str, *, key: str) -> Order:
        """Stop an order that has not left the house, and refund what was paid."""

    def change_quantity(self, number: str, line: int, quantity: int, *, key: str) -> Order:
        """Set the quantity of one line (0 removes it; removing the last is `NotAllowed("last_item")`)."""

    def change_shipping_address(self, number: str, address: Address, *, key: str) -> Order:
        """Send an order that has not left the house to another address in the same country."""

    def add_shipping_address(self, email: str, address: Address, *, key: str) -> None:
        """Save an additional delivery address with an account."""

    def send_invoice(self, number: str, *, key: str) -> Invoice:
        """Send the order's invoice to the e-mail on file."""

    def request_refund(self, number: str, *, key: str) -> Refund:
        """Ask for the money of a delivered or cancelled order back, within the time that the terms allow."""

    def create_account(self, email: str, market: str, *, key: str) -> None:
        """Open an account and send the confirmation mail; `NotAllowed("exists")` if there is one."""

    def change_account_email(self, email: str, new_email: str, *, key: str) -> None:
        """Give an account another e-mail; both addresses are written to."""

    def switch_account(self, email: str, kind: Literal["private", "business"], *, key: str) -> None:
        """Turn an account into the other kind."""

    def delete_account(self, email: str, *, key: str) -> None:
        """Delete an account and what the law does not oblige to keep; `NotAllowed("open_orders")` while any is open."""

    def send_password_reset(self, email: str, *, key: str) -> None:
        """Send a reset link if the account exists; says nothing about whether it does."""

    def subscribe(self, email: str, market: str, *, key: str) -> None:
        """Start the newsletter's double opt-in."""

    def unsubscribe(self, email: str, *, key: str) -> None:
        """End the newsletter."""

    def open_ticket(self, kind: TicketKind, *, conversation: str, market: str, reason: str, key: str) -> Ticket:
        """Give a matter to the team. `reason` is a short stable word, never the customer's text."""

    def add_review(self, market: str, stars: int, *, conversation: str, order: str | None, key: str) -> None:
        """Store a review of one to five stars."""
