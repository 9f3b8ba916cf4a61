"""The tables of the people behind the bot: agents, their sessions, and what they leave in conversations. Opens nothing.

`after` is the number of the conversation's last message or reply when something happened: its place in the thread.
"""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from actions.database import UtcDateTime, metadata

agents = Table(
    "agents",
    metadata,
    Column("id", Integer, primary_key=True),
    # What she signs in with, and what customers read.
    Column("name", String(80), nullable=False, unique=True),
    Column("email", String(255)),
    Column("password_hash", Text, nullable=False),
    Column("role", String(10), nullable=False),
    # Whether she takes new conversations while she is signed in.
    Column("available", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
    CheckConstraint("role IN ('agent', 'supervisor', 'admin')", name="known_role"),
)

agent_sessions = Table(
    "agent_sessions",
    metadata,
    # SHA-256 of the token in the cookie: who reads the database cannot sign in with it.
    Column("token_hash", String(64), primary_key=True),
    Column("agent_id", ForeignKey("agents.id"), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("begun_at", UtcDateTime, nullable=False),
    # The last page asked for or form sent; a page that refreshes itself does not count.
    Column("used_at", UtcDateTime, nullable=False),
    # The last sign that a page is open, refreshing included.
    Column("seen_at", UtcDateTime, nullable=False),
)

handoff_events = Table(
    "handoff_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False, index=True),
    Column("after", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # The same status twice: nothing changed hands, the customer was only told something.
    Column("from_status", String(10), nullable=False),
    Column("to_status", String(10), nullable=False),
    Column("from_agent", ForeignKey("agents.id")),
    Column("to_agent", ForeignKey("agents.id")),
    # Null: the customer, the bot or a timeout did it.
    Column("by_agent", ForeignKey("agents.id")),
    Column("reason", String(64), nullable=False),
)

notes = Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False, index=True),
    Column("after", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("agent_id", ForeignKey("agents.id"), nullable=False),
    Column("text", Text, nullable=False),
)

canned_replies = Table(
    "canned_replies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("language", String(10), nullable=False),
    Column("title", String(80), nullable=False),
    Column("text", Text, nullable=False),
    Column("agent_id", ForeignKey("agents.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("language", "title"),
)

# An agent's better judgement of a customer's message, for training; the last one of a message counts.
corrections = Table(
    "corrections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", ForeignKey("messages.id"), nullable=False, index=True),
    Column("intent", String(64), nullable=False),
    Column("agent_id", ForeignKey("agents.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
