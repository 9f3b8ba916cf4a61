"""Finds a person's data: by the name that a channel gives her, or by her e-mail. Only reads.

An e-mail finds the conversations that are proved to be hers: the shop signed it, it is the mail channel's sender, or an
order of hers was named and proved there. That somebody has typed an e-mail proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import reading
from actions.lookup import normal_email
from actions.shop import Shop
from actions.tables import OrderRow
from bot.console.orders import known_orders
from bot.personal_data.places import Person
from bot.tables import conversations, identities, messages
from training.tables import transcripts

MAIL = "mail"
Pseudonym = Callable[[str, str], str]


def find_person(
    engine: Engine,
    shop: Shop,
    pseudonym: Pseudonym,
    *,
    sender: str | None = None,
    channel: str | None = None,
    email: str | None = None,
) -> Person:
    """Return what finds a person's rows; nothing where nothing is kept.

    `sender` is her name on a channel (or the id of a conversation), `channel` the only one to look at. Archives that
    were taken in are searched for both names. `pseudonym` gives the name of (source, person) in transcripts.
    """
    address = normal_email(email) if email else None
    with reading(engine) as session:
        found = _named(session, sender, channel) if sender else set()
        if address:
            found |= _signed(session, address) | _proved(session, shop, address)
        found |= _of_the_same_customers(session, found)
        emails = {normal_email(each) for each in _emails(session, found)} | ({address} if address else set())
        names = [name for name in (sender, email, address) if name]
        own = _transcripts(session, pseudonym, [*names, *found])
    return Person(tuple(sorted(found)), tuple(sorted(own)), tuple(sorted(emails)))


def _named(session: Session, sender: str, channel: str | None) -> set[str]:
    query = select(conversations.c.id).where(or_(conversations.c.sender == sender, conversations.c.id == sender))
    return set(session.scalars(query.where(conversations.c.channel == channel) if channel else query))


def _signed(session: Session, email: str) -> set[str]:
    by_shop = select(identities.c.conversation_id).where(func.lower(identities.c.email) == email)
    by_mail = select(conversations.c.id).where(
        conversations.c.channel == MAIL, func.lower(conversations.c.sender) == email
    )
    return {*session.scalars(by_shop), *session.scalars(by_mail)}


def _proved(session: Session, shop: Shop, email: str) -> set[str]:
    """Return the conversations in which what convinces the bot was said about an order of hers."""
    numbers = session.scalars(select(OrderRow.number).where(OrderRow.email == email))
    mentions = [messages.c.text.ilike(f"%{_literal(name)}%", escape="\\") for name in (email, *numbers)]
    query = select(messages.c.conversation_id).where(or_(*mentions)).distinct()
    return {each for each in session.scalars(query).all() if _is_proved(session, shop, each, email)}


def _is_proved(session: Session, shop: Shop, conversation: str, email: str) -> bool:
    said = select(messages.c.text).where(messages.c.conversation_id == conversation).order_by(messages.c.number.desc())
    return any(normal_email(order.email) == email for order in known_orders(shop, session.scalars(said).all()))


def _of_the_same_customers(session: Session, found: Iterable[str]) -> set[str]:
    theirs = select(identities.c.customer_id).where(identities.c.conversation_id.in_(list(found)))
    return set(session.scalars(select(identities.c.conversation_id).where(identities.c.customer_id.in_(theirs))))


def _emails(session: Session, found: Iterable[str]) -> list[str]:
    query = select(identities.c.email).where(identities.c.conversation_id.in_(list(found)))
    return [email for email in session.scalars(query) if email]


def _transcripts(session: Session, pseudonym: Pseudonym, names: Sequence[str]) -> set[int]:
    found: set[int] = set()
    for source in session.scalars(select(transcripts.c.source).distinct()).all():
        hidden = [pseudonym(source, name) for name in names]
        theirs = or_(transcripts.c.customer.in_(hidden), transcripts.c.conversation.in_(hidden))
        found |= set(session.scalars(select(transcripts.c.id).where(transcripts.c.source == source, theirs)))
    return found


def _literal(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\%_" else char for char in text)
