"""The edge's tables: conversations, messages, replies, and what customers think of them. Opens nothing.

Within a conversation messages and replies share one count, `number`: it is what the widget knows as a reply's id.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from actions.database import UtcDateTime, metadata

WAITING = "waiting"  # stored, not yet answered
DONE = "done"
FAILED = "failed"  # Rasa did not answer; the customer has read the apology
LEFT_TO_AGENT = "agent"  # a person owned the conversation; the bot was not asked

# Of a reply's delivery.
FETCHED = "none"  # the channel's callers fetch their replies themselves
PENDING = "pending"
DELIVERED = "delivered"
DEAD = "dead"  # given up; `python -m bot dead-letters` shows it

conversations = Table(
    "conversations",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("channel", String(20), nullable=False),
    # Which of a provider's accounts; empty where the channel has none.
    Column("account", String(100), nullable=False),
    # The customer as the channel names her. The widget knows nobody by name: there it is the conversation itself.
    Column("sender", String(255), nullable=False),
    Column("market", String(20), nullable=False),
    # Of the customer's last real sentence, as Rasa told it; null until then.
    Column("language", String(10)),
    Column("status", String(10), nullable=False),
    Column("status_at", UtcDateTime),  # since when; null: since it began
    Column("agent_id", Integer),  # who owns it while the status is 'agent'
    Column("handoff_reason", Text),
    Column("ticket", Text),
    Column("last_number", Integer, nullable=False),
    Column("last_customer_at", UtcDateTime),
    # The edge that has its messages answered now, and until when nobody else may take them.
    Column("lease_by", String(36)),
    Column("lease_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("channel", "account", "sender"),
    CheckConstraint("status IN ('bot', 'queued', 'agent', 'closed')", name="known_status"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False),
    Column("channel", String(20), nullable=False),
    # Who hands out the message ids: a provider's account, or, where each client makes up its own, the conversation.
    Column("account", String(100), nullable=False),
    Column("message_id", String(200), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(10), nullable=False, server_default="text"),
    Column("text", Text, nullable=False),
    Column("attachment", JSON),  # what the provider tells about an image, a voice message, a place
    Column("market", String(20), nullable=False),
    Column("language_hint", String(10)),
    Column("state", String(10), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    # When an edge first took it to have it answered, and how often that was begun.
    Column("began_at", UtcDateTime),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("finished_at", UtcDateTime),
    # What Rasa made of it, once it is done.
    Column("button", Boolean),
    Column("language", String(10)),
    Column("intent", Text),
    Column("confidence", Float),
    Column("sentiment", String(20)),
    Column("sentiment_confidence", Float),
    Column("out_of_scope", Float),
    Column("adapter", Text),
    UniqueConstraint("channel", "account", "message_id"),
    UniqueConstraint("conversation_id", "number"),
    Index(None, "state", "conversation_id"),
)

replies = Table(
    "replies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False),
    Column("number", Integer, nullable=False),
    # The message that it answers; null for the greeting, an agent's words and the edge's own.
    Column("answers", ForeignKey("messages.id"), index=True),
    Column("author", String(10), nullable=False, server_default="bot"),
    Column("agent_id", Integer),
    Column("name", Text, nullable=False),
    Column("language", String(10), nullable=False),
    Column("text", Text, nullable=False),
    Column("buttons", JSON, nullable=False),
    Column("image", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("delivery", String(10), nullable=False, server_default="none"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Not before then is the next try; it is also the claim of the edge that tries.
    Column("next_attempt_at", UtcDateTime),
    Column("delivery_error", Text),
    Column("provider_message_id", Text),
    UniqueConstraint("conversation_id", "number"),
    Index(None, "delivery", "next_attempt_at"),
)

consents = Table(
    "consents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False, index=True),
    Column("given", Boolean, nullable=False),
    Column("version", String(20), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

ratings = Table(
    "ratings",
    metadata,
    Column("conversation_id", ForeignKey("conversations.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("value", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint("value IN (-1, 1)", name="thumb_up_or_down"),
)

scores = Table(
    "scores",
    metadata,
    Column("conversation_id", ForeignKey("conversations.id"), primary_key=True),
    Column("score", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint("score BETWEEN 1 AND 5", name="one_to_five"),
)

# Who the customer is, where the shop has signed it (`bot/customer_identity.py`); the shop's word holds until then.
identities = Table(
    "identities",
    metadata,
    Column("conversation_id", ForeignKey("conversations.id"), primary_key=True),
    Column("customer_id", String(254), nullable=False, index=True),
    Column("email", String(254)),
    Column("name", String(254)),
    Column("orders", JSON, nullable=False),
    Column("verified_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

# What some one edge does once a day: when it was last done, which edge does it now, and until when no other may.
chores = Table(
    "chores",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("done_at", UtcDateTime, nullable=False),
    Column("lease_by", String(36)),
    Column("lease_until", UtcDateTime),
)

# Erasures that have begun and not ended: what they take away, by ids that say nothing of a person.
erasures = Table(
    "erasures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("begun_at", UtcDateTime, nullable=False),
    Column("method", String(10), nullable=False),
    Column("conversations", JSON, nullable=False),
    Column("transcripts", JSON, nullable=False),
    Column("releases", JSON, nullable=False),
)
