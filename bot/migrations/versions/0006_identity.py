"""Whose conversations are, as the shop has signed it; and the erasures that are under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from actions.database import UtcDateTime

revision = "0006_identity"
down_revision = "0005_transcripts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=254), nullable=False),
        sa.Column("email", sa.String(length=254)),
        sa.Column("name", sa.String(length=254)),
        sa.Column("orders", sa.JSON(), nullable=False),
        sa.Column("verified_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_identities_conversation_id")),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_customer_id"), "identities", ["customer_id"])
    op.create_table(
        "erasures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("begun_at", UtcDateTime(), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("conversations", sa.JSON(), nullable=False),
        sa.Column("transcripts", sa.JSON(), nullable=False),
        sa.Column("releases", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )


def downgrade() -> None:
    op.drop_table("erasures")
    op.drop_table("identities")
