"""The edge's tables: conversations, messages, replies, consents, ratings and scores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from actions.database import UtcDateTime

revision = "0002_edge"
down_revision = "0001_shop"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _conversations()
    _messages()
    _replies()
    _feedback()


def downgrade() -> None:
    for table in ("scores", "ratings", "consents", "replies", "messages", "conversations"):
        op.drop_table(table)


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("sender", sa.String(length=255), nullable=False),
        sa.Column("market", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=10)),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("handoff_reason", sa.Text()),
        sa.Column("ticket", sa.Text()),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('bot', 'queued', 'agent', 'closed')", name=op.f("ck_conversations_known_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("channel", "account", "sender", name=op.f("uq_conversations_channel_account_sender")),
    )


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("market", sa.String(length=20), nullable=False),
        sa.Column("language_hint", sa.String(length=10)),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime()),
        sa.Column("button", sa.Boolean()),
        sa.Column("language", sa.String(length=10)),
        sa.Column("intent", sa.Text()),
        sa.Column("confidence", sa.Float()),
        sa.Column("sentiment", sa.String(length=20)),
        sa.Column("sentiment_confidence", sa.Float()),
        sa.Column("out_of_scope", sa.Float()),
        sa.Column("adapter", sa.Text()),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_messages_conversation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("channel", "account", "message_id", name=op.f("uq_messages_channel_account_message_id")),
        sa.UniqueConstraint("conversation_id", "number", name=op.f("uq_messages_conversation_id_number")),
    )
    op.create_index(op.f("ix_messages_state_conversation_id"), "messages", ["state", "conversation_id"])


def _replies() -> None:
    op.create_table(
        "replies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Integer()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("buttons", sa.JSON(), nullable=False),
        sa.Column("image", sa.Text()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["answers"], ["messages.id"], name=op.f("fk_replies_answers")),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_replies_conversation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replies")),
        sa.UniqueConstraint("conversation_id", "number", name=op.f("uq_replies_conversation_id_number")),
    )
    op.create_index(op.f("ix_replies_answers"), "replies", ["answers"])


def _feedback() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_consents_conversation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(op.f("ix_consents_conversation_id"), "consents", ["conversation_id"])
    op.create_table(
        "ratings",
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("value IN (-1, 1)", name=op.f("ck_ratings_thumb_up_or_down")),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_ratings_conversation_id")),
        sa.PrimaryKeyConstraint("conversation_id", "number", name=op.f("pk_ratings")),
    )
    op.create_table(
        "scores",
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("score BETWEEN 1 AND 5", name=op.f("ck_scores_one_to_five")),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_scores_conversation_id")),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_scores")),
    )
