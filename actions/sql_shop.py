"""The shop on our own tables: `actions/shop.py` as the default that `POLYDESK_SHOP` may replace.

Each change, its effect and its audit are one transaction (`once.py`); what a change does stands in `sql_orders.py`,
`sql_accounts.py` and `sql_feedback.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Concatenate, Literal, ParamSpec, TypeVar

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions import sql_accounts, sql_feedback, sql_orders
from actions.database import reading
from actions.lookup import belongs, find_order, find_terms, read_order, read_terms
from actions.once import Done, database_answers, once
from actions.shop import Address, Invoice, Order, Refund, Shop, Terms, Ticket, TicketKind

P = ParamSpec("P")
T = TypeVar("T")
NONE = type(None)


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def load_shop(spec: str, engine: Engine) -> Shop:
    """Make the shop that `package.module:Class` names, with the engine; raises ValueError saying what is wrong."""
    module, colon, name = spec.partition(":")
    if not (module and colon and name):
        raise ValueError(f"POLYDESK_SHOP must be package.module:Class, not {spec!r}.")
    try:
        shop: Shop = getattr(import_module(module), name)(engine)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(f"POLYDESK_SHOP: there is no {spec!r}: {error}") from error
    return shop


class SqlShop:
    """A `Shop` on the tables of `actions/tables.py`; safe to share between threads. `now` tells the moment, in UTC."""

    def __init__(self, engine: Engine, *, now: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._now = now

    def identify(self, number: str, *, email: str | None = None, postcode: str | None = None) -> Order | None:
        """See `Shop`."""
        with database_answers(), reading(self._engine) as session:
            try:
                order = find_order(session, number)
            except LookupError:
                return None
            return read_order(order) if belongs(order, email=email, postcode=postcode) else None

    def terms(self, market: str) -> Terms:
        """See `Shop`; raises LookupError while no market has terms."""
        with database_answers(), reading(self._engine) as session:
            return read_terms(find_terms(session, market))

    def cancel_order(self, number: str, *, key: str) -> Order:
        """See `Shop`."""
        return self._once(key, Order, sql_orders.cancel_order, number)

    def change_quantity(self, number: str, line: int, quantity: int, *, key: str) -> Order:
        """See `Shop`; LookupError for a line that is not there."""
        return self._once(key, Order, sql_orders.change_quantity, number, line, quantity)

    def change_shipping_address(self, number: str, address: Address, *, key: str) -> Order:
        """See `Shop`."""
        return self._once(key, Order, sql_orders.change_shipping_address, number, address)

    def send_invoice(self, number: str, *, key: str) -> Invoice:
        """See `Shop`; `NotAllowed("no_invoice")` while there is none."""
        return self._once(key, Invoice, sql_orders.send_invoice, number)

    def request_refund(self, number: str, *, key: str) -> Refund:
        """See `Shop`."""
        return self._once(key, Refund, sql_orders.request_refund, number)

    def add_shipping_address(self, email: str, address: Address, *, key: str) -> None:
        """See `Shop`."""
        self._once(key, NONE, sql_accounts.add_shipping_address, email, address)

    def create_account(self, email: str, market: str, *, key: str) -> None:
        """See `Shop`."""
        self._once(key, NONE, sql_accounts.create_account, email, market)

    def change_account_email(self, email: str, new_email: str, *, key: str) -> None:
        """See `Shop`; `NotAllowed("exists")` if the new e-mail has an account."""
        self._once(key, NONE, sql_accounts.change_account_email, email, new_email)

    def switch_account(self, email: str, kind: Literal["private", "business"], *, key: str) -> None:
        """See `Shop`."""
        self._once(key, NONE, sql_accounts.switch_account, email, kind)

    def delete_account(self, email: str, *, key: str) -> None:
        """See `Shop`."""
        self._once(key, NONE, sql_accounts.delete_account, email)

    def send_password_reset(self, email: str, *, key: str) -> None:
        """See `Shop`."""
        self._once(key, NONE, sql_accounts.send_password_reset, email)

    def subscribe(self, email: str, market: str, *, key: str) -> None:
        """See `Shop`."""
        self._once(key, NONE, sql_accounts.subscribe, email, market)

    def unsubscribe(self, email: str, *, key: str) -> None:
        """See `Shop`."""
        self._once(key, NONE, sql_accounts.unsubscribe, email)

    def open_ticket(self, kind: TicketKind, *, conversation: str, market: str, reason: str, key: str) -> Ticket:
        """See `Shop`."""
        return self._once(key, Ticket, sql_feedback.open_ticket, kind, conversation, market, reason)

    def add_review(self, market: str, stars: int, *, conversation: str, order: str | None, key: str) -> None:
        """See `Shop`; ValueError for other than one to five stars."""
        self._once(key, NONE, sql_feedback.add_review, market, stars, conversation, order)

    def _once(
        self,
        key: str,
        result_type: type[T],
        change: Callable[Concatenate[Session, datetime, P], Done[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        now = self._now()
        return once(
            self._engine, key, change.__name__, result_type, now, lambda session: change(session, now, *args, **kwargs)
        )
