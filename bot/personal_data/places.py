"""Where personal data are: every table is named here, either with the rows that are a person's or with why none is.

The order is that in which rows can be deleted. A table that is missing here fails a test. Opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, func, or_, select
from sqlalchemy.sql import ColumnElement

from actions import tables as shop
from bot.agent_tables import corrections, handoff_events, notes
from bot.tables import consents, conversations, identities, messages, ratings, replies, scores
from training.tables import labels, review_skips, transcript_messages, transcripts

ID_LENGTH = 36  # characters of a conversation's id, with which the keys of effects begin


@dataclass(frozen=True)
class Person:
    """What finds a person's rows: ids of conversations and transcripts, and e-mails in the shop's normal form."""

    conversations: tuple[str, ...] = ()
    transcripts: tuple[int, ...] = ()
    emails: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """A table, and which of its rows are a person's."""

    table: Table
    theirs: Callable[[Person], ColumnElement]


def _by_conversation(table: Table, column: str = "conversation_id") -> Place:
    return Place(table, lambda person: table.c[column].in_(person.conversations))


def _by_label(table: Table) -> Place:
    return Place(table, lambda person: table.c.message_id.in_(_said(person)))


def _said(person: Person) -> Any:
    columns = transcript_messages.c
    return select(columns.id).where(columns.transcript_id.in_(person.transcripts))


def _written(person: Person) -> Any:
    return select(messages.c.id).where(messages.c.conversation_id.in_(person.conversations))


def _effects(person: Person) -> ColumnElement:
    # An effect's result may tell an order. Its key begins with the conversation (`actions/action.py`).
    return func.substr(shop.EffectRow.__table__.c.key, 1, ID_LENGTH).in_(person.conversations)


# Ours: erased.
ERASED = (
    _by_label(review_skips),
    _by_label(labels),
    Place(transcript_messages, lambda person: transcript_messages.c.transcript_id.in_(person.transcripts)),
    Place(transcripts, lambda person: transcripts.c.id.in_(person.transcripts)),
    Place(corrections, lambda person: corrections.c.message_id.in_(_written(person))),
    _by_conversation(notes),
    _by_conversation(handoff_events),
    _by_conversation(ratings),
    _by_conversation(scores),
    _by_conversation(consents),
    _by_conversation(replies),
    _by_conversation(messages),
    _by_conversation(identities),
    _by_conversation(shop.TicketRow.__table__, "conversation"),
    _by_conversation(shop.ReviewRow.__table__, "conversation"),
    Place(shop.EffectRow.__table__, _effects),
    _by_conversation(conversations, "id"),
)


def _accounts(person: Person) -> Any:
    columns = shop.CustomerRow.__table__.c
    return select(columns.id).where(columns.email.in_(person.emails))


def _is_their_order(person: Person) -> ColumnElement:
    columns = shop.OrderRow.__table__.c
    return or_(columns.email.in_(person.emails), columns.customer_id.in_(_accounts(person)))


def _is_their_address(person: Person) -> ColumnElement:
    columns, orders = shop.AddressRow.__table__.c, shop.OrderRow.__table__.c
    used = select(orders.address_id).where(_is_their_order(person))
    return or_(columns.customer_id.in_(_accounts(person)), columns.id.in_(used))


def _by_email(table: Table, column: str = "email") -> Place:
    return Place(table, lambda person: table.c[column].in_(person.emails))


def _by_order(table: Table) -> Place:
    orders = shop.OrderRow.__table__.c
    return Place(table, lambda person: table.c.order_id.in_(select(orders.id).where(_is_their_order(person))))


# The merchant's records, which the law has it keep: shown, and left alone. Of the demo shop; another shop has its own.
KEPT = (
    _by_email(shop.CustomerRow.__table__),
    Place(shop.AddressRow.__table__, _is_their_address),
    Place(shop.OrderRow.__table__, _is_their_order),
    _by_order(shop.ItemRow.__table__),
    _by_order(shop.ShipmentRow.__table__),
    _by_order(shop.InvoiceRow.__table__),
    _by_order(shop.PaymentRow.__table__),
    _by_order(shop.RefundRow.__table__),
    _by_email(shop.SubscriptionRow.__table__),
    _by_email(shop.MailRow.__table__, "recipient"),
)

# Tables without anything of a customer, and why that is so.
NOT_PERSONAL = {
    "terms": "what a market promises",
    "products": "what is sold",
    "agents": "the team's accounts",
    "agent_sessions": "the team's accounts",
    "canned_replies": "the team's texts",
    "audit": "append-only, and therefore written without personal data",
    "chores": "when the bot last tidied up",
    "erasures": "ids alone, until the erasure that they name has ended",
}
