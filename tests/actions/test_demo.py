from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from actions.demo import demo_orders_to_try, fill_demo
from actions.shop import OrderStatus, PaymentStatus, RefundStatus, ShipmentStatus
from actions.sql_shop import SqlShop
from actions.tables import AddressRow, CustomerRow, OrderRow, PaymentRow, ProductRow, RefundRow, ShipmentRow
from nlu.markets import load_markets

TODAY = date(2026, 5, 4)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def rows(engine: Engine, *columns: Any) -> list[Any]:
    with reading(engine) as session:
        return list(session.execute(select(*columns).order_by(*columns)))


def test_an_empty_database_gets_some_three_hundred_orders(engine: Engine) -> None:
    assert fill_demo(engine, today=TODAY)
    assert len(rows(engine, OrderRow.id)) == 300
    assert len(rows(engine, ProductRow.id)) == 30


def test_a_database_with_anything_in_it_is_not_touched(engine: Engine) -> None:
    with transaction(engine) as session:
        session.add(CustomerRow(email="a@shop.test", kind="private", market="de-DE", created_at=NOON))
    assert not fill_demo(engine, today=TODAY)
    assert len(rows(engine, CustomerRow.id)) == 1
    assert rows(engine, OrderRow.id) == []


def test_filling_twice_fills_once(sqlite_engine: Engine) -> None:
    assert [fill_demo(sqlite_engine, today=TODAY), fill_demo(sqlite_engine, today=TODAY)] == [True, False]


def test_every_market_has_orders_in_every_state(sqlite_engine: Engine) -> None:
    fill_demo(sqlite_engine, today=TODAY)
    found = Counter(tuple(row) for row in rows(sqlite_engine, OrderRow.market, OrderRow.status))
    assert set(found) == {(market.code, status) for market in load_markets() for status in get_args(OrderStatus)}
    for column, kind in (
        (PaymentRow.status, PaymentStatus),
        (RefundRow.status, RefundStatus),
        (ShipmentRow.status, ShipmentStatus),
    ):
        assert {status for (status,) in rows(sqlite_engine, column)} == set(get_args(kind))


def test_orders_have_the_currency_of_their_market(sqlite_engine: Engine) -> None:
    fill_demo(sqlite_engine, today=TODAY)
    found = {tuple(row) for row in rows(sqlite_engine, OrderRow.market, OrderRow.currency)}
    assert found == {(market.code, market.currency) for market in load_markets()}


def test_all_people_are_invented_and_all_numbers_have_six_digits(sqlite_engine: Engine) -> None:
    fill_demo(sqlite_engine, today=TODAY)
    assert all(email.endswith(("@example.com", "@example.org")) for (email,) in rows(sqlite_engine, OrderRow.email))
    numbers = [number for (number,) in rows(sqlite_engine, OrderRow.number)]
    assert all(len(number) == 6 and number.isdigit() for number in numbers)


def test_totals_add_up_and_invoices_agree(sqlite_engine: Engine) -> None:
    fill_demo(sqlite_engine, today=TODAY)
    with reading(sqlite_engine) as session:
        for order in session.scalars(select(OrderRow)):
            assert order.total == order.shipping + sum(item.price * item.quantity for item in order.items)
            assert order.invoice is None or order.invoice.total == order.total


def test_dates_lie_around_today(sqlite_engine: Engine) -> None:
    fill_demo(sqlite_engine, today=TODAY)
    with reading(sqlite_engine) as session:
        assert session.scalar(select(func.max(OrderRow.placed_at))) < datetime(2026, 5, 4, tzinfo=UTC)
        on_their_way = session.scalars(select(ShipmentRow).where(ShipmentRow.status == "in_transit")).all()
        assert all(TODAY < parcel.expected_on <= TODAY + timedelta(days=7) for parcel in on_their_way)
        arrived = session.scalars(select(ShipmentRow.delivered_on).where(ShipmentRow.delivered_on.is_not(None))).all()
        assert max(arrived) < TODAY


def test_the_same_day_gives_the_same_shop_in_another_database(engine: Engine, sqlite_engine: Engine) -> None:
    fill_demo(engine, today=TODAY)
    fill_demo(sqlite_engine, today=TODAY)
    columns = (OrderRow.number, OrderRow.email, OrderRow.total, OrderRow.status, OrderRow.placed_at)
    assert rows(engine, *columns) == rows(sqlite_engine, *columns)


def test_the_orders_to_try_do_what_they_are_for(engine: Engine) -> None:
    fill_demo(engine, today=TODAY)
    shop = SqlShop(engine, now=lambda: NOON)
    tried = demo_orders_to_try(engine)
    assert [(market, status) for _, _, market, status in tried] == [
        ("de-DE", "shipped"),
        ("en-US", "placed"),
        ("es-ES", "delivered"),
    ]
    shipped, placed, delivered = (shop.identify(number, email=email) for number, email, _, _ in tried)
    assert shipped and placed and delivered
    assert shipped.shipments[0].expected_on
    assert shop.cancel_order(placed.number, key="k1").refunds
    assert shop.request_refund(delivered.number, key="k2").amount == delivered.total
    again = demo_orders_to_try(engine)
    assert len(again) == 3
    assert not {placed.number, delivered.number} & {number for number, *_ in again}


def test_a_real_shops_customers_are_never_told(engine: Engine) -> None:
    fill_demo(engine, today=TODAY)
    with transaction(engine) as session:
        for order in session.scalars(select(OrderRow)):
            order.email = "somebody@shop.test"
    assert demo_orders_to_try(engine) == []


def test_addresses_lie_in_the_markets_countries(sqlite_engine: Engine) -> None:
    fill_demo(sqlite_engine, today=TODAY)
    with reading(sqlite_engine) as session:
        found = session.execute(select(OrderRow.market, AddressRow.country).join(OrderRow.address).distinct()).all()
    assert len(found) == 10
    assert all(market.endswith(country) for market, country in found)
