"""What can be done with an account and the newsletter, on the shop's tables, in the session of the caller.

The functions have the names of the methods of `actions/shop.py`, which say what they promise; `now` is in UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from actions.database import insert_if_new
from actions.lookup import LONGEST_EMAIL, find_account, normal_email
from actions.once import Done
from actions.shop import Address, NotAllowed
from actions.sql_orders import address_row
from actions.tables import AddressRow, CustomerRow, MailRow, OrderRow, RefundRow, SubscriptionRow

OPEN_ORDER = ("placed", "packed", "shipped")
OPEN_REFUND = ("requested", "approved")
NOBODY = "account:none"
# Rows that the session has not loaded: the database alone knows them.
_IN_DATABASE = {"synchronize_session": False}


def create_account(session: Session, now: datetime, email: str, market: str) -> Done[None]:
    """Open an account, to be confirmed by the mail."""
    address = _new_email(email)
    row = {"email": address, "kind": "private", "market": market, "created_at": now}
    if not insert_if_new(session, CustomerRow.__table__, **row):
        raise NotAllowed("exists")
    account = _account(session, address)
    _mail(session, "account_confirmation", address, market, now)
    return _done(account)


def change_account_email(session: Session, now: datetime, email: str, new_email: str) -> Done[None]:
    """Give an account another e-mail. Its orders keep the one they were placed with as well."""
    account = _account(session, email)
    old, new = account.email, _new_email(new_email)
    if old == new:
        return _done(account)
    if find_account(session, new) is not None:
        raise NotAllowed("exists")
    account.email = new
    for recipient in (old, new):
        _mail(session, "email_changed", recipient, account.market, now)
    session.flush()
    return _done(account)


def switch_account(session: Session, now: datetime, email: str, kind: Literal["private", "business"]) -> Done[None]:
    """Turn an account into the other kind."""
    account = _account(session, email)
    account.kind = kind
    return _done(account, kind=kind)


def add_shipping_address(session: Session, now: datetime, email: str, address: Address) -> Done[None]:
    """Save one more address with an account."""
    account = _account(session, email)
    session.add(address_row(address, account.id))
    return _done(account)


def delete_account(session: Session, now: datetime, email: str) -> Done[None]:
    """Delete an account, its addresses, newsletter, mails and the results told about it.

    Orders and invoices stay as they were: business records, which the law obliges to keep.
    """
    account = _account(session, email)
    _refuse_if_open(session, account)
    ours = account.id
    used = select(OrderRow.address_id).where(OrderRow.address_id == AddressRow.id).exists()
    session.execute(delete(AddressRow).where(AddressRow.customer_id == ours, ~used), execution_options=_IN_DATABASE)
    for table, column in ((SubscriptionRow, SubscriptionRow.email), (MailRow, MailRow.recipient)):
        session.execute(delete(table).where(column == account.email), execution_options=_IN_DATABASE)
    _mail(session, "account_deleted", account.email, account.market, now)
    session.execute(delete(CustomerRow).where(CustomerRow.id == ours), execution_options=_IN_DATABASE)
    return Done(None, f"account:{ours}")


def send_password_reset(session: Session, now: datetime, email: str) -> Done[None]:
    """Mail a reset link to the owner of an account."""
    account = find_account(session, email)
    if account is None:
        return Done(None, NOBODY)
    _mail(session, "password_reset", account.email, account.market, now)
    return _done(account)


def subscribe(session: Session, now: datetime, email: str, market: str) -> Done[None]:
    """Ask by mail whether the newsletter is really wanted; nothing happens to one that is already active."""
    address = _new_email(email)
    row = {"email": address, "market": market, "status": "requested", "changed_at": now}
    insert_if_new(session, SubscriptionRow.__table__, **row)
    subscription = _subscription(session, address)
    if subscription.status == "active":
        return Done(None, f"subscription:{subscription.id}")
    subscription.status, subscription.changed_at = "requested", now
    _mail(session, "newsletter_confirmation", address, market, now)
    return Done(None, f"subscription:{subscription.id}")


def unsubscribe(session: Session, now: datetime, email: str) -> Done[None]:
    """End the newsletter; an e-mail that does not get it stays without."""
    query = update(SubscriptionRow).where(SubscriptionRow.email == normal_email(email))
    session.execute(query.values(status="ended", changed_at=now), execution_options=_IN_DATABASE)
    return Done(None, "subscription")


def _account(session: Session, email: str) -> CustomerRow:
    account = find_account(session, email)
    if account is None:
        raise LookupError("there is no such account")
    return account


def _subscription(session: Session, email: str) -> SubscriptionRow:
    query = select(SubscriptionRow).where(SubscriptionRow.email == email).with_for_update()
    subscription: SubscriptionRow = session.scalars(query).one()
    return subscription


def _new_email(email: str) -> str:
    address = normal_email(email)
    if "@" not in address.strip("@") or len(address) > LONGEST_EMAIL:
        raise NotAllowed("invalid_email")
    return address


def _refuse_if_open(session: Session, account: CustomerRow) -> None:
    orders = select(OrderRow.id).where(OrderRow.customer_id == account.id)
    refunds = select(RefundRow.id).join(OrderRow, OrderRow.id == RefundRow.order_id)
    refunds = refunds.where(OrderRow.customer_id == account.id, RefundRow.status.in_(OPEN_REFUND))
    for query in (orders.where(OrderRow.status.in_(OPEN_ORDER)), refunds):
        if session.execute(query.limit(1)).first() is not None:
            raise NotAllowed("open_orders")


def _mail(session: Session, kind: str, recipient: str, market: str, now: datetime) -> None:
    session.add(MailRow(kind=kind, recipient=recipient, market=market, payload={}, created_at=now))


def _done(account: CustomerRow, **details: str) -> Done[None]:
    return Done(None, f"account:{account.id}", account.id, details)
