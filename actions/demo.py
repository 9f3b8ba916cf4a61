"""Fills an empty database with a demo shop: products, each market's terms, three hundred orders in every state.

The same seed and day give the same shop. Dates lie around `today`, so that there are always orders on their way. Reads
`actions/demo.yml` and `markets.yml`; never touches a database that holds anything of a shop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from sqlalchemy import select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select

from actions.database import reading, transaction
from actions.demo_orders import STORIES, Story, add_parts
from actions.lookup import email_on_file
from actions.tables import (
    AddressRow,
    CustomerRow,
    ItemRow,
    OrderRow,
    PaymentRow,
    ProductRow,
    ShipmentRow,
    SubscriptionRow,
    TermsRow,
)
from nlu.markets import Market, load_markets

DATA = Path(__file__).with_name("demo.yml")
SEED = 20_001
FIRST_NUMBER = 204_000
NUMBERS_APART = (11, 997)
LARGE = 200
HOLDS_A_SHOP = (TermsRow, ProductRow, CustomerRow, OrderRow)
TO_TRY = (("de-DE", "shipped"), ("en-US", "placed"), ("es-ES", "delivered"))


@dataclass(frozen=True)
class Scene:
    """One market of the demo: its row, its terms, its row of `demo.yml`, and its people with their addresses."""

    market: Market
    terms: TermsRow
    data: Mapping[str, Any]
    people: Sequence[Person]


@dataclass(frozen=True)
class Person:
    """An invented person; whoever orders as a guest has no account."""

    email: str
    account: CustomerRow | None
    address: AddressRow


def fill_demo(engine: Engine, *, today: date | None = None, seed: int = SEED) -> bool:
    """Fill the shop's tables if all of them are empty; tell whether that was done. They must exist."""
    today = today or datetime.now(UTC).date()
    data = yaml.safe_load(DATA.read_text(encoding="utf-8"))
    with transaction(engine) as session:
        if engine.dialect.name == "postgresql":
            # Two programs started side by side must not both find it empty.
            session.execute(text("LOCK TABLE terms IN EXCLUSIVE MODE"))
        if any(session.execute(select(table).limit(1)).first() for table in HOLDS_A_SHOP):
            return False
        random = Random(seed)  # noqa: S311  # a demo, not a secret
        products = list(_products(data["products"], data["rates"]))
        session.add_all(products)
        scenes = [
            _scene(session, market, position, data["markets"][market.code], today, random)
            for position, market in enumerate(load_markets())
            if market.code in data["markets"]
        ]
        session.flush()
        _add_orders(session, scenes, products, today, random)
    return True


def demo_orders_to_try(engine: Engine) -> list[tuple[str, str, str, str]]:
    """Return (number, e-mail, market, status) of three orders: one on its way, one to cancel, one to refund.

    Only invented people's, so that a real shop's customers are never printed; fewer where these are used up.
    """
    with reading(engine) as session:
        found = [session.scalars(_to_try(market, status)).first() for market, status in TO_TRY]
        return [(order.number, email_on_file(order), order.market, order.status) for order in found if order]


def _to_try(market: str, status: str) -> Select:
    query = select(OrderRow).where(OrderRow.market == market, OrderRow.status == status)
    query = query.where(OrderRow.email.like("%@example.%"), ~OrderRow.refunds.any())
    query = query.where(~OrderRow.payments.any(PaymentRow.status != "paid"))
    query = query.where(~OrderRow.shipments.any(ShipmentRow.status.in_(("held", "lost"))))
    return query.order_by(OrderRow.placed_at.desc(), OrderRow.id)


def _products(products: Mapping[str, Any], rates: Mapping[str, float]) -> Iterator[ProductRow]:
    for name, (price, variants) in products.items():
        prices = {currency: str(_price(Decimal(price) * Decimal(str(rate)))) for currency, rate in rates.items()}
        yield ProductRow(name=name, variants=variants, prices=prices)


def _price(amount: Decimal) -> Decimal:
    """Round as shops do: large amounts to two digits that count, others to ten cents below the full amount."""
    if amount >= LARGE:
        step = Decimal(10) ** (amount.adjusted() - 1)
        return (amount / step).to_integral_value() * step
    return amount.to_integral_value() - Decimal("0.10")


def _scene(
    session: Session, market: Market, position: int, data: Mapping[str, Any], today: date, random: Random
) -> Scene:
    terms = TermsRow(
        market=market.code,
        position=position,
        time_zone=market.time_zone,
        currency=market.currency,
        delivery=[
            {"name": name, "price": str(price), "days_min": fewest, "days_max": most}
            for name, (price, fewest, most) in data["delivery"].items()
        ],
        **{name: Decimal(data[name]) for name in ("free_from", "cancellation_fee")},
        **{name: data[name] for name in ("return_days", "refund_days", "payment_methods")},
    )
    people = list(_people(market, data, today, random))
    session.add(terms)
    for index, person in enumerate(people):
        session.add(person.address)
        if person.account and index % 3 == 0:
            row = {"email": person.email, "market": market.code, "changed_at": person.account.created_at}
            session.add(SubscriptionRow(status="active", **row))
    return Scene(market, terms, data, people)


def _people(market: Market, data: Mapping[str, Any], today: date, random: Random) -> Iterator[Person]:
    for index, (name, local) in enumerate(data["people"].items()):
        street, postcode, city = data["places"][index % len(data["places"])]
        street = street.format(n=random.randint(2, 98))
        address = AddressRow(name=name, street=street, postcode=postcode, city=city, country=data["country"])
        email = f"{local}@example.{'com' if index % 2 else 'org'}"
        if index % 5 == 4:
            yield Person(email, None, address)
            continue
        since = datetime.combine(today - timedelta(days=random.randint(310, 900)), time(12), UTC)
        kind = "business" if index % 6 == 5 else "private"
        account = CustomerRow(email=email, kind=kind, market=market.code, created_at=since, confirmed_at=since)
        account.addresses.append(address)
        yield Person(email, account, address)


def _add_orders(
    session: Session, scenes: Sequence[Scene], products: Sequence[ProductRow], today: date, random: Random
) -> None:
    planned = [
        (_placed_at(scene, story, today, random), scene, story, scene.people[index % len(scene.people)])
        for scene in scenes
        for index, story in enumerate(STORIES)
    ]
    number = FIRST_NUMBER
    for placed_at, scene, story, person in sorted(planned, key=lambda plan: plan[0]):
        number += random.randint(*NUMBERS_APART)
        order = OrderRow(
            number=str(number),
            terms=scene.terms,
            customer=person.account,
            email=person.email,
            address=person.address,
            status=story.status,
            placed_at=placed_at,
            currency=scene.market.currency,
            cancellation_fee=scene.terms.cancellation_fee,
        )
        _add_items(order, products, random)
        placed_on = placed_at.astimezone(ZoneInfo(scene.market.time_zone)).date()
        add_parts(order, story, placed_on, today, random.choice(scene.data["carriers"]), random)
        session.add(order)


def _placed_at(scene: Scene, story: Story, today: date, random: Random) -> datetime:
    day = today - timedelta(days=random.randint(story.youngest, story.oldest))
    # Not late in the evening: that would still be to come for who starts just after midnight UTC.
    clock = time(random.randint(7, 17), random.randint(0, 59))
    return datetime.combine(day, clock, ZoneInfo(scene.market.time_zone)).astimezone(UTC)


def _add_items(order: OrderRow, products: Sequence[ProductRow], random: Random) -> None:
    for line, product in enumerate(random.sample(products, random.choice((1, 1, 2, 2, 3))), start=1):
        price = Decimal(product.prices[order.currency])
        variant, quantity = random.choice(product.variants), random.choice((1, 1, 1, 2))
        order.items.append(ItemRow(line=line, product=product, variant=variant, quantity=quantity, price=price))
    goods = sum((item.price * item.quantity for item in order.items), Decimal(0))
    standard = next(Decimal(option["price"]) for option in order.terms.delivery if option["name"] == "standard")
    order.shipping = Decimal(0) if goods >= order.terms.free_from else standard
    order.total = goods + order.shipping
