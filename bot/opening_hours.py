"""When a market's customer service is open: Monday to Friday, in the market's own time. Touches nothing."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

from nlu.markets import Market

FRIDAY = 4


def is_open(market: Market, at: datetime) -> bool:
    """Tell whether the market's customer service is there at a moment."""
    local = at.astimezone(ZoneInfo(market.time_zone))
    opens, closes = time.fromisoformat(market.contact.opens), time.fromisoformat(market.contact.closes)
    return local.weekday() <= FRIDAY and opens <= local.time() < closes
