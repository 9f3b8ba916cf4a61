"""Turns the console's templates into pages. Reads only the templates; every text in them is escaped."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from actions.shop import Money
from bot.console.door import HOME, Visit
from bot.handoff import Clock, utc_now
from nlu.markets import Markets

HERE = Path(__file__).parent
# A conversation is not for the browser's or anybody else's memory.
PRIVATE = {"cache-control": "no-store"}
MINUTE, HOUR, DAY = 60, 3600, 86400
UNCHANGED = 204


class Rendering:
    """Renders pages, and the parts of pages that refresh themselves."""

    def __init__(self, markets: Markets, *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(home=HOME, markets=markets)
        self._templates.filters.update(
            language=language_name, money=money, duration=duration, waited=self._waited, clock=clock_time
        )

    def page(self, template: str, visit: Visit | None, *, status: int = 200, **context: Any) -> Response:
        """Return a whole page; `visit` is None where nobody is signed in."""
        return HTMLResponse(self._render(template, visit, context), status_code=status, headers=PRIVATE)

    def part(self, template: str, visit: Visit, **context: Any) -> Response:
        """Return a part of a page, or 204 if the browser has it like this already.

        The part carries its own digest, which the browser sends as `seen` when it asks again.
        """
        digest = self.digest(template, visit, **context)
        if visit.request.query_params.get("seen") == digest:
            return Response(status_code=UNCHANGED, headers=PRIVATE)
        return HTMLResponse(self._render(template, visit, {**context, "digest": digest}), headers=PRIVATE)

    def digest(self, template: str, visit: Visit, **context: Any) -> str:
        """Return what tells one state of a part from another."""
        rendered = self._render(template, visit, {**context, "digest": ""})
        return hashlib.sha256(rendered.encode()).hexdigest()[:16]

    def _render(self, template: str, visit: Visit | None, context: dict[str, Any]) -> str:
        if visit is not None:
            context = {"me": visit.agent, "available": visit.session.available, "csrf": visit.session.csrf, **context}
        return self._templates.get_template(template).render(context)

    def _waited(self, since: datetime) -> str:
        return duration((self._clock() - since).total_seconds())


def duration(seconds: float) -> str:
    """Say a length of time in one unit: `4 min`, `2 h`, `3 d`."""
    if seconds < MINUTE:
        return "just now"
    for size, unit in ((DAY, "d"), (HOUR, "h")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds // MINUTE)} min"


def clock_time(at: datetime) -> str:
    """Return a moment's time of day in UTC; the browser puts its own in its place."""
    return f"{at:%H:%M} UTC"


def language_name(code: str | None) -> str:
    """Return a language's English name."""
    try:
        return str(Locale.parse(code or "und").get_display_name("en") or code)
    except (UnknownLocaleError, ValueError):
        return "unknown language"


def money(sum_of: Money) -> str:
    """Return an amount as English writes it."""
    return str(format_currency(sum_of.amount, sum_of.currency, locale="en"))
