"""When the bot last did what it does once a day, and which edge does it now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from actions.database import UtcDateTime

revision = "0007_chores"
down_revision = "0006_identity"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chores",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("done_at", UtcDateTime(), nullable=False),
        sa.Column("lease_by", sa.String(length=36)),
        sa.Column("lease_until", UtcDateTime()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_chores")),
    )


def downgrade() -> None:
    op.drop_table("chores")
