"""The shop's tables, and triggers that make the audit append-only."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001_shop"
down_revision = None
branch_labels = None
depends_on = None

SQLITE_TRIGGERS = (
    """CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
    """CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
    # INSERT OR REPLACE would remove a row without asking the trigger above.
    """CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END""",
)
POSTGRESQL_TRIGGERS = (
    """CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'audit is append-only'; END $$""",
    """CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()""",
    """CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()""",
)


def upgrade() -> None:
    _people()
    _orders()
    _order_parts()
    _desk()
    _bookkeeping()
    for statement in SQLITE_TRIGGERS if op.get_bind().dialect.name == "sqlite" else POSTGRESQL_TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("The first revision is not taken back: drop the database instead.")


def _id() -> sa.Column[Any]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _column(name: str, kind: Any, *references: Any, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, *references, nullable=null)


def _moment(name: str, *, null: bool = False) -> sa.Column[Any]:
    return _column(name, sa.DateTime(timezone=True), null=null)


def _money(*names: str) -> list[sa.Column[Any]]:
    return [_column("currency", sa.String(3)), *(_column(name, sa.Numeric(12, 2)) for name in names)]


def _customer(on_delete: str) -> sa.Column[Any]:
    return sa.Column("customer_id", sa.Integer, sa.ForeignKey("customers.id", ondelete=on_delete), index=True)


def _order(**options: Any) -> sa.Column[Any]:
    return sa.Column("order_id", sa.Integer, sa.ForeignKey("orders.id"), **{"nullable": False, "index": True} | options)


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


def _people() -> None:
    op.create_table(
        "customers",
        _id(),
        sa.Column("email", sa.Text, nullable=False, unique=True),
        _column("kind", sa.String(16)),
        _column("market", sa.String(16)),
        _moment("created_at"),
        _moment("confirmed_at", null=True),
        _one_of("kind", "private", "business"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "addresses",
        _id(),
        _customer("SET NULL"),
        *(_column(name, sa.Text) for name in ("name", "street", "postcode", "city")),
        _column("country", sa.String(2)),
    )
    op.create_table(
        "subscriptions",
        _id(),
        sa.Column("email", sa.Text, nullable=False, unique=True),
        _column("market", sa.String(16)),
        _column("status", sa.String(16)),
        _moment("changed_at"),
        _one_of("status", "requested", "active", "ended"),
    )


def _orders() -> None:
    op.create_table(
        "terms",
        sa.Column("market", sa.String(16), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False, unique=True),
        _column("time_zone", sa.String(64)),
        *_money("free_from", "cancellation_fee"),
        _column("delivery", sa.JSON),
        _column("return_days", sa.Integer),
        _column("refund_days", sa.Integer),
        _column("payment_methods", sa.JSON),
    )
    op.create_table(
        "products",
        _id(),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        _column("variants", sa.JSON),
        _column("prices", sa.JSON),
    )
    op.create_table(
        "orders",
        _id(),
        sa.Column("number", sa.String(32), nullable=False, unique=True),
        sa.Column("market", sa.String(16), sa.ForeignKey("terms.market"), nullable=False, index=True),
        _customer("SET NULL"),
        _column("email", sa.Text),
        _column("address_id", sa.Integer, sa.ForeignKey("addresses.id")),
        _column("status", sa.String(16)),
        _moment("placed_at"),
        *_money("shipping", "total", "cancellation_fee"),
        _one_of("status", "placed", "packed", "shipped", "delivered", "cancelled", "returned"),
    )


def _order_parts() -> None:
    op.create_table(
        "items",
        _id(),
        _order(index=False),
        _column("line", sa.Integer),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id"), nullable=False, index=True),
        _column("variant", sa.Text),
        _column("quantity", sa.Integer),
        _column("price", sa.Numeric(12, 2)),
        sa.UniqueConstraint("order_id", "line"),
        sa.CheckConstraint("quantity > 0", name="quantity"),
    )
    op.create_table(
        "shipments",
        _id(),
        _order(),
        _column("carrier", sa.Text),
        sa.Column("tracking_number", sa.String(64), nullable=False, unique=True),
        _column("status", sa.String(20)),
        _column("expected_on", sa.Date, null=True),
        _column("delivered_on", sa.Date, null=True),
        _one_of("status", "announced", "in_transit", "out_for_delivery", "delivered", "held", "lost"),
    )
    op.create_table(
        "invoices",
        _id(),
        _order(index=False, unique=True),
        sa.Column("number", sa.String(32), nullable=False, unique=True),
        _column("issued_on", sa.Date),
        *_money("total"),
    )
    op.create_table(
        "payments",
        _id(),
        _order(),
        _column("method", sa.String(32)),
        _column("status", sa.String(16)),
        *_money("amount"),
        _one_of("status", "pending", "paid", "failed", "charged_twice", "refunded"),
    )
    op.create_table(
        "refunds",
        _id(),
        _order(),
        _column("status", sa.String(16)),
        *_money("amount"),
        _column("requested_on", sa.Date),
        _column("expected_on", sa.Date, null=True),
        _one_of("status", "requested", "approved", "paid", "refused"),
        sqlite_autoincrement=True,
    )


def _desk() -> None:
    op.create_table(
        "tickets",
        _id(),
        _column("kind", sa.String(32)),
        sa.Column("conversation", sa.Text, nullable=False, index=True),
        _column("market", sa.String(16)),
        _column("reason", sa.String(64)),
        _moment("created_at"),
        _one_of("kind", "handoff", "complaint", "payment_issue", "registration_problem", "change_order"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "reviews",
        _id(),
        _column("market", sa.String(16)),
        sa.Column("conversation", sa.Text, nullable=False, index=True),
        _order(nullable=True),
        _column("stars", sa.Integer),
        _moment("created_at"),
        sa.CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
    )
    op.create_table(
        "mails",
        _id(),
        _column("kind", sa.String(32)),
        sa.Column("recipient", sa.Text, nullable=False, index=True),
        _column("market", sa.String(16)),
        _column("payload", sa.JSON),
        _moment("created_at"),
    )


def _bookkeeping() -> None:
    op.create_table(
        "effects",
        sa.Column("key", sa.Text, primary_key=True),
        _column("method", sa.String(64)),
        _customer("CASCADE"),
        _column("result", sa.JSON, null=True),
        _moment("created_at"),
    )
    op.create_table(
        "audit",
        _id(),
        _moment("at"),
        _column("method", sa.String(64)),
        sa.Column("subject", sa.String(64), nullable=False, index=True),
        _column("details", sa.JSON),
    )
