"""What the training loop keeps: transcripts without personal data, labels, and the state of the review. Opens nothing.

Texts stand here only after `training/redact.py`; conversations and customers only as pseudonyms (`training/store.py`).
"""

from __future__ import annotations

from sqlalchemy import (
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

from actions.database import NEVER_AGAIN, UtcDateTime, metadata

CUSTOMER, BOT, AGENT = "customer", "bot", "agent"  # who speaks
OWN = "own"  # the source of the bot's own conversations
PERSON, DESK_AGENT, FILE = "person", "agent", "file"  # where a label comes from

transcripts = Table(
    "transcripts",
    metadata,
    Column("id", Integer, primary_key=True),
    # The help desk whose ids these are, by default the format's name; "own" for the bot's own conversations.
    Column("source", String(20), nullable=False),
    Column("conversation", String(64), nullable=False),
    Column("customer", String(64), nullable=False, index=True),
    Column("market", String(20), nullable=False, index=True),
    Column("begun_at", UtcDateTime),
    # Why it may be learned from: the words or the version that the customer agreed to, or the operator's reason.
    Column("consent", Text, nullable=False),
    Column("ingested_at", UtcDateTime, nullable=False),
    UniqueConstraint("source", "conversation"),
    **NEVER_AGAIN,
)

transcript_messages = Table(
    "transcript_messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("transcript_id", ForeignKey("transcripts.id", ondelete="CASCADE"), nullable=False),
    # The message within its conversation: a pseudonym of its id, or of what it says where it has none.
    Column("key", String(64), nullable=False),
    Column("speaker", String(10), nullable=False),
    Column("text", Text, nullable=False),
    Column("language", String(10)),
    Column("at", UtcDateTime),
    # The row of the edge's `messages` or `replies` that it was; ratings and corrections are found by it.
    Column("origin", Integer),
    # What the bot understood at the time, and the release that did.
    Column("intent", Text),
    Column("confidence", Float),
    Column("sentiment", String(20)),
    Column("out_of_scope", Float),
    Column("release", Text),
    UniqueConstraint("transcript_id", "key"),
    CheckConstraint("speaker IN ('customer', 'bot', 'agent')", name="known_speaker"),
    **NEVER_AGAIN,
)

labels = Table(
    "labels",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", ForeignKey("transcript_messages.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("intent", Text),
    Column("sentiment", String(20)),
    Column("labeller", String(100), nullable=False),
    Column("source", String(10), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # What served the market when the label was given: its suggestion may have swayed the labeller.
    Column("release", Text),
    CheckConstraint("source IN ('person', 'agent', 'file')", name="known_source"),
    CheckConstraint("intent IS NOT NULL OR sentiment IS NOT NULL", name="says_something"),
)

# Messages that a labeller did not want to decide.
review_skips = Table(
    "review_skips",
    metadata,
    Column("message_id", ForeignKey("transcript_messages.id", ondelete="CASCADE"), primary_key=True),
    Column("labeller", String(100), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

Index("ix_labels_at", labels.c.at)
