"""When a market's customer service is open: on its own days, in its own time. Touches nothing."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

from nlu.markets import WEEKDAYS, Market


def is_open(market: Market, at: datetime) -> bool:
    """Tell whether the market's customer service is there at a moment."""
    local = at.astimezone(ZoneInfo(market.time_zone))
    opens, closes = time.fromisoformat(market.contact.opens), time.fromisoformat(market.contact.closes)
    return WEEKDAYS[local.weekday()] in market.contact.open_days and opens <= local.time() < closes
