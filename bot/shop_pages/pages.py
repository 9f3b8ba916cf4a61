"""The demo shop's pages: a front page and the chat's privacy page in each market's language, with the widget on both.

Reads `markets.yml`, the reply files' section `shop_page` and `products.yml` beside this file when the routes are made;
touches neither database nor network. Nothing on these pages is inline, so that the edge's strict policy holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from babel import Locale
from babel.dates import format_time
from babel.numbers import format_currency, get_currency_precision
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from bot.texts import Texts, load_texts, weekday_name
from nlu.markets import Market, Markets, UnknownMarketError, load_markets

HERE = Path(__file__).parent
STATIC_PATH = "/shop-static"


@dataclass(frozen=True)
class Product:
    """A product of the demo shop: `key` names its text and its picture."""

    key: str
    name: str
    price: str


@dataclass(frozen=True)
class Assortment:
    """The demo shop's products: prices in `currency`, and what one unit of it is worth in others."""

    products: tuple[dict[str, Any], ...]
    currency: str
    rates: dict[str, Decimal]

    def in_market(self, market: Market) -> list[Product]:
        """Return the products with prices as the market writes them."""
        return [Product(row["key"], row["name"], self._price(Decimal(row["price"]), market)) for row in self.products]

    def _price(self, price: Decimal, market: Market) -> str:
        rate = self.rates.get(market.currency)
        currency = market.currency if rate else self.currency
        amount = _shop_price(price * (rate or 1), currency)
        return str(format_currency(amount, currency, locale=_locale(market)))


def routes(texts: Texts | None = None) -> list[BaseRoute]:
    """Return the shop's routes: `/`, `/privacy`, `/shop/MARKET`, `/shop/MARKET/privacy` and the static files.

    The first two, which name no market, are in the language that the browser likes best.

    Give `texts` where they are loaded already. Raises `MarketsFileError` or `TextsError` if those cannot be read.
    """
    pages = ShopPages(load_markets(), texts or load_texts(), read_assortment(HERE / "products.yml"))
    return [
        Route("/", pages.front),
        Route("/privacy", pages.privacy),
        Route("/shop/{market}", pages.front),
        Route("/shop/{market}/privacy", pages.privacy),
        Mount(STATIC_PATH, StaticFiles(directory=HERE / "static")),
    ]


def read_assortment(file: Path) -> Assortment:
    """Read the demo shop's products."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    rates = {currency: Decimal(str(rate)) for currency, rate in content["rates"].items()}
    return Assortment(tuple(content["products"]), content["currency"], rates)


class ShopPages:
    """Renders the pages."""

    def __init__(self, markets: Markets, texts: Texts, assortment: Assortment) -> None:
        self._markets = markets
        self._texts = texts
        self._assortment = assortment
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )

    async def front(self, request: Request) -> Response:
        """Show a market's front page."""
        return self._render("front.html", request)

    async def privacy(self, request: Request) -> Response:
        """Show what the chat keeps, in the market's language."""
        return self._render("privacy.html", request)

    def _market(self, request: Request) -> Market:
        if "market" not in request.path_params:
            return best_market(self._markets, request.headers.get("accept-language", ""))
        try:
            return self._markets[request.path_params["market"]]
        except UnknownMarketError as error:
            raise HTTPException(404, "There is no such market.") from error

    def _render(self, template: str, request: Request) -> HTMLResponse:
        market = self._market(request)
        context = {
            "market": market,
            "markets": self._markets,
            "t": self._texts.shop_page(market.language),
            "chat_label": self._texts.widget(market.language)["open_chat"],
            "products": self._assortment.in_market(market),
            "opens": _clock(market.contact.opens, market),
            "closes": _clock(market.contact.closes, market),
            "first_day": weekday_name(market.contact.first_day, _locale(market)),
            "last_day": weekday_name(market.contact.last_day, _locale(market)),
            "static": STATIC_PATH,
        }
        page = self._templates.get_template(template).render(context)
        return HTMLResponse(page, headers={"vary": "accept-language"})


def best_market(markets: Markets, accept_language: str) -> Market:
    """Return the first market whose code or language the header `Accept-Language` prefers, else the first of all."""
    for wish in _wishes(accept_language):
        for market in markets:
            if market.code.lower() == wish:
                return market
        for market in markets:
            if market.language == wish.split("-")[0]:
                return market
    return markets.rows[0]


def _wishes(accept_language: str) -> list[str]:
    weighed = []
    for part in accept_language[:500].split(","):
        code, _, weight = part.strip().lower().partition(";q=")
        digits = weight.replace(".", "", 1)
        weighed.append((float(weight) if digits.isascii() and digits.isdigit() else 1.0, code))
    return [code for weight, code in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]


def _shop_price(amount: Decimal, currency: str) -> Decimal:
    """Round as shops do: large amounts to two digits that count, others to ten cents below the full amount."""
    if amount >= 200 or get_currency_precision(currency) == 0:
        step = Decimal(10) ** max(amount.adjusted() - 1, 0)
        return (amount / step).to_integral_value() * step
    return amount.to_integral_value() - Decimal("0.10")


def _locale(market: Market) -> Locale:
    return Locale.parse(market.code, sep="-")


def _clock(text: str, market: Market) -> str:
    return str(format_time(time.fromisoformat(text), "short", locale=_locale(market)))
