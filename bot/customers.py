"""Whose conversations are: checks the identities that clients show, and keeps them. Touches the database."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.engine import Engine

from actions.database import insert_if_new, reading, transaction
from bot.customer_identity import Customer, IdentityKey, IdentityRefused
from bot.metrics import Metrics
from bot.tables import identities


class Customers:
    """Checks identities, and keeps them with their conversations. Without a `key` every identity is ignored."""

    def __init__(self, engine: Engine, key: IdentityKey | None, metrics: Metrics) -> None:
        self._engine = engine
        self._key = key
        self._metrics = metrics

    def check(self, token: object) -> Customer | None:
        """Return whom a client's identity is about; None for none, and, counted, for one that proves nothing."""
        if token is None:
            return None
        try:
            if self._key is None:
                raise IdentityRefused("not_configured")
            customer = self._key.customer(token)
        except IdentityRefused as refused:
            self._metrics.identities.labels(result=str(refused)).inc()
            return None
        self._metrics.identities.labels(result="verified").inc()
        return customer

    def keep(self, conversation: str, customer: Customer) -> bool:
        """Note whose conversation it is; False, and nothing is changed, if it is another customer's already."""
        values = {
            "email": customer.email,
            "name": customer.name,
            "orders": list(customer.orders),
            "expires_at": customer.expires_at,
        }
        mine = (identities.c.conversation_id == conversation, identities.c.customer_id == customer.id)
        now = datetime.now(UTC)
        with transaction(self._engine) as session:
            row = {"conversation_id": conversation, "customer_id": customer.id, "verified_at": now, **values}
            if insert_if_new(session, identities, **row):
                return True
            return bool(session.execute(update(identities).where(*mine).values(verified_at=now, **values)).rowcount)


def verified_customer(engine: Engine, conversation: str) -> Customer | None:
    """Return whose conversation it is, as long as the shop vouches for it."""
    this = select(identities).where(
        identities.c.conversation_id == conversation, identities.c.expires_at > datetime.now(UTC)
    )
    with reading(engine) as session:
        row = session.execute(this).one_or_none()
    return Customer(row.customer_id, row.expires_at, row.email, row.name, orders=tuple(row.orders)) if row else None
