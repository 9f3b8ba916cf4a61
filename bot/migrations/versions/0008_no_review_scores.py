"""What a release said at the last review is no longer kept: no review read it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_no_review_scores"
down_revision = "0007_chores"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("review_scores")


def downgrade() -> None:
    op.create_table(
        "review_scores",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("suggestions", sa.JSON(), nullable=False),
        sa.Column("margin", sa.Float(), nullable=False),
        sa.Column("out_of_scope", sa.Float(), nullable=False),
        sa.Column("sentiment", sa.String(length=20)),
        sa.Column("global_intent", sa.Text()),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["transcript_messages.id"],
            name=op.f("fk_review_scores_message_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_review_scores")),
    )
