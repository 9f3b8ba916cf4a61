"""The training loop's tables: transcripts, their messages, labels, and the state of the review."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from actions.database import UtcDateTime

revision = "0005_transcripts"
down_revision = "0004_console"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _transcripts()
    _messages()
    _labels()
    _review()


def downgrade() -> None:
    for table in ("review_scores", "review_skips", "labels", "transcript_messages", "transcripts"):
        op.drop_table(table)


def _transcripts() -> None:
    op.create_table(
        "transcripts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("conversation", sa.String(length=64), nullable=False),
        sa.Column("customer", sa.String(length=64), nullable=False),
        sa.Column("market", sa.String(length=20), nullable=False),
        sa.Column("begun_at", UtcDateTime()),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("ingested_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transcripts")),
        sa.UniqueConstraint("source", "conversation", name=op.f("uq_transcripts_source_conversation")),
    )
    op.create_index(op.f("ix_transcripts_customer"), "transcripts", ["customer"])
    op.create_index(op.f("ix_transcripts_market"), "transcripts", ["market"])


def _messages() -> None:
    op.create_table(
        "transcript_messages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("transcript_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("speaker", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=10)),
        sa.Column("at", UtcDateTime()),
        sa.Column("origin", sa.Integer()),
        sa.Column("intent", sa.Text()),
        sa.Column("confidence", sa.Float()),
        sa.Column("sentiment", sa.String(length=20)),
        sa.Column("out_of_scope", sa.Float()),
        sa.Column("release", sa.Text()),
        sa.CheckConstraint(
            "speaker IN ('customer', 'bot', 'agent')", name=op.f("ck_transcript_messages_known_speaker")
        ),
        sa.ForeignKeyConstraint(
            ["transcript_id"], ["transcripts.id"], name=op.f("fk_transcript_messages_transcript_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transcript_messages")),
        sa.UniqueConstraint("transcript_id", "key", name=op.f("uq_transcript_messages_transcript_id_key")),
    )


def _labels() -> None:
    op.create_table(
        "labels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("intent", sa.Text()),
        sa.Column("sentiment", sa.String(length=20)),
        sa.Column("labeller", sa.String(length=100), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("release", sa.Text()),
        sa.CheckConstraint("source IN ('person', 'agent', 'file')", name=op.f("ck_labels_known_source")),
        sa.CheckConstraint("intent IS NOT NULL OR sentiment IS NOT NULL", name=op.f("ck_labels_says_something")),
        _message_key("labels"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
    )
    op.create_index(op.f("ix_labels_message_id"), "labels", ["message_id"])
    op.create_index(op.f("ix_labels_at"), "labels", ["at"])


def _review() -> None:
    op.create_table(
        "review_skips",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("labeller", sa.String(length=100), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        _message_key("review_skips"),
        sa.PrimaryKeyConstraint("message_id", "labeller", name=op.f("pk_review_skips")),
    )
    op.create_table(
        "review_scores",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("suggestions", sa.JSON(), nullable=False),
        sa.Column("margin", sa.Float(), nullable=False),
        sa.Column("out_of_scope", sa.Float(), nullable=False),
        sa.Column("sentiment", sa.String(length=20)),
        sa.Column("global_intent", sa.Text()),
        _message_key("review_scores"),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_review_scores")),
    )


def _message_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["message_id"], ["transcript_messages.id"], name=op.f(f"fk_{table}_message_id"), ondelete="CASCADE"
    )
