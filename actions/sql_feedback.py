"""Tickets for the team and reviews, on the shop's tables, in the session of the caller; `now` is in UTC."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from actions.lookup import find_order
from actions.once import Done
from actions.shop import Ticket, TicketKind
from actions.tables import ReviewRow, TicketRow

FIRST_TICKET = 500_000
FEWEST_STARS, MOST_STARS = 1, 5


def open_ticket(
    session: Session, now: datetime, kind: TicketKind, conversation: str, market: str, reason: str
) -> Done[Ticket]:
    """Give a matter to the team."""
    row = TicketRow(kind=kind, conversation=conversation, market=market, reason=reason, created_at=now)
    session.add(row)
    session.flush()
    reference = f"T{FIRST_TICKET + row.id}"
    return Done(Ticket(reference, kind, now), f"ticket:{reference}", details={"kind": kind, "reason": reason})


def add_review(
    session: Session, now: datetime, market: str, stars: int, conversation: str, order: str | None
) -> Done[None]:
    """Store the stars, beside the order if one is named."""
    if not FEWEST_STARS <= stars <= MOST_STARS:
        raise ValueError(f"a review has {FEWEST_STARS} to {MOST_STARS} stars, not {stars}")
    about = find_order(session, order).id if order else None
    row = ReviewRow(market=market, conversation=conversation, order_id=about, stars=stars, created_at=now)
    session.add(row)
    session.flush()
    return Done(None, f"review:{row.id}", details={"stars": stars})
