"""The durable path: who works on a conversation, what kind a message is, how far a reply's delivery is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from actions.database import UtcDateTime

revision = "0003_durable"
down_revision = "0002_edge"
branch_labels = None
depends_on = None

INDEX = "ix_replies_delivery_next_attempt_at"


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    op.create_index(op.f(INDEX), "replies", ["delivery", "next_attempt_at"])


def downgrade() -> None:
    op.drop_index(op.f(INDEX), "replies")
    for table, columns in _columns().items():
        for column in columns:
            op.drop_column(table, column.name)


def _columns() -> dict[str, list[sa.Column]]:
    return {
        "conversations": [
            sa.Column("agent_id", sa.Integer()),
            sa.Column("status_at", UtcDateTime()),
            sa.Column("lease_by", sa.String(length=36)),
            sa.Column("lease_until", UtcDateTime()),
            sa.Column("last_customer_at", UtcDateTime()),
        ],
        "messages": [
            sa.Column("kind", sa.String(length=10), nullable=False, server_default="text"),
            sa.Column("attachment", sa.JSON()),
            sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("began_at", UtcDateTime()),
        ],
        "replies": [
            sa.Column("author", sa.String(length=10), nullable=False, server_default="bot"),
            sa.Column("agent_id", sa.Integer()),
            sa.Column("delivery", sa.String(length=10), nullable=False, server_default="none"),
            sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("next_attempt_at", UtcDateTime()),
            sa.Column("delivery_error", sa.Text()),
            sa.Column("provider_message_id", sa.Text()),
        ],
    }
