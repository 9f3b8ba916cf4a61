"""The promises of `actions/shop.py`, kept by `SqlShop` on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from actions.database import open_engine, reading, transaction
from actions.once import KeyReused
from actions.shop import Address, Money, NotAllowed, Order, Shop, ShopUnavailable
from actions.sql_shop import SqlShop, load_shop
from actions.tables import (
    AddressRow,
    AuditRow,
    CustomerRow,
    EffectRow,
    InvoiceRow,
    ItemRow,
    MailRow,
    OrderRow,
    PaymentRow,
    ProductRow,
    RefundRow,
    ReviewRow,
    ShipmentRow,
    SubscriptionRow,
    TermsRow,
    TicketRow,
)

NOW = datetime(2026, 5, 4, 20, 30, tzinfo=UTC)  # already the fifth in Japan
EMAIL = "anna@example.com"
ELSEWHERE = Address("Anna Beck", "Neue Straße 5", "20095", "Hamburg", "DE")


@pytest.fixture
def shop(engine: Engine) -> Shop:
    """A shop with Anna's orders, one of each kind; 700001 is hers, placed and paid, of two lines for 105 in all."""
    with transaction(engine) as session:
        germany, japan = terms("de-DE", 0, "EUR", "Europe/Berlin"), terms("ja-JP", 1, "JPY", "Asia/Tokyo", fee=300)
        anna = CustomerRow(email=EMAIL, kind="private", market="de-DE", created_at=NOW)
        home = AddressRow(name="Anna Beck", street="Alte Straße 1", postcode="10 115", city="Berlin", country="DE")
        anna.addresses.append(home)
        products = [ProductRow(name=name, variants=["S"], prices={}) for name in ("Alba", "Nido")]

        def order(number: str, status: str, payment: str = "paid", **more: Any) -> OrderRow:
            row: OrderRow = OrderRow(
                number=number, status=status, customer=anna, email=EMAIL, address=home, terms=germany, placed_at=NOW,
                currency="EUR", shipping=5, total=105, cancellation_fee=0, **more,
            )  # fmt: skip
            row.items = [
                ItemRow(line=1, product=products[0], variant="S", quantity=2, price=30),
                ItemRow(line=2, product=products[1], variant="S", quantity=1, price=40),
            ]
            row.payments = [PaymentRow(method="card", status=payment, currency="EUR", amount=105)]
            session.add(row)
            return row

        order("700001", "placed")
        order("700002", "packed", "charged_twice")
        order("700003", "placed", "pending")
        order("700004", "shipped")
        delivered = order("700005", "delivered")
        delivered.shipments = [parcel("LX5", date(2026, 4, 20))]
        delivered.invoice = InvoiceRow(number="2026-700005", issued_on=date(2026, 4, 18), currency="EUR", total=105)
        order("700006", "delivered").shipments = [parcel("LX6", date(2026, 4, 3))]
        order("700007", "cancelled", "failed")
        guest = order("AB700008", "delivered")
        guest.customer, guest.email = None, "guest@example.org"
        abroad = order("700009", "placed")
        abroad.terms, abroad.currency, abroad.cancellation_fee = japan, "JPY", 300
        abroad.payments[0].currency = "JPY"
        abroad.payments[0].amount = abroad.total = 4200
    return SqlShop(engine, now=lambda: NOW)


def terms(market: str, position: int, currency: str, time_zone: str, *, fee: int = 0) -> TermsRow:
    row: TermsRow = TermsRow(
        market=market, position=position, currency=currency, time_zone=time_zone, free_from=50, return_days=30,
        refund_days=5, cancellation_fee=fee, payment_methods=["card", "paypal"],
        delivery=[{"name": "standard", "price": "4.9", "days_min": 2, "days_max": 4}],
    )  # fmt: skip
    return row


def parcel(number: str, delivered_on: date) -> ShipmentRow:
    row: ShipmentRow = ShipmentRow(
        carrier="DHL", tracking_number=number, status="delivered", expected_on=delivered_on, delivered_on=delivered_on
    )
    return row


def hers(shop: Shop, number: str = "700001") -> Order:
    order = shop.identify(number, email=EMAIL)
    assert order is not None
    return order


def count(engine: Engine, table: Any) -> int:
    with reading(engine) as session:
        return int(session.scalar(select(func.count()).select_from(table)))


def rows(engine: Engine, column: Any) -> list[Any]:
    with reading(engine) as session:
        return list(session.scalars(select(column)))


def euros(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


@pytest.mark.parametrize(
    "number", ["ab700008", "#AB 700 008", "  AB-700008\n", "ＡＢ７００００８", "ab٧٠٠٠٠٨", "AB\u200f७००००८"]
)
def test_an_order_number_is_known_however_it_is_typed(shop: Shop, number: str) -> None:
    order = shop.identify(number, email="guest@example.org")
    assert order is not None
    assert order.number == "AB700008"


@pytest.mark.parametrize("email", ["ANNA@Example.COM", " anna@example.com ", "ａｎｎａ＠example.com"])
def test_an_email_is_known_in_any_case_and_width(shop: Shop, email: str) -> None:
    assert shop.identify("700001", email=email)


@pytest.mark.parametrize("postcode", ["10115", " 10 115", "10-115", "１０１１５", "١٠١١٥"])
def test_a_postcode_is_known_with_or_without_spaces_and_hyphens(shop: Shop, postcode: str) -> None:
    assert shop.identify("700001", postcode=postcode)


@pytest.mark.parametrize(
    ("number", "proof"),
    [
        ("799999", {"email": EMAIL}),
        ("700001", {"email": "guest@example.org"}),
        ("700001", {"postcode": "10116"}),
        ("700001", {"email": "", "postcode": "-"}),
        ("700001", {}),
        ("", {"email": EMAIL}),
        ("%", {"email": "%"}),
    ],
)
def test_who_does_not_know_both_gets_nothing(shop: Shop, number: str, proof: dict[str, str]) -> None:
    assert shop.identify(number, **proof) is None


def test_an_order_is_read_with_everything_that_belongs_to_it(shop: Shop) -> None:
    order = hers(shop, "700005")
    assert order.total == euros("105.00")
    assert [(item.line, item.product, item.quantity, item.price) for item in order.items] == [
        (1, "Alba", 2, euros("30.00")),
        (2, "Nido", 1, euros("40.00")),
    ]
    assert order.invoice is not None
    assert order.invoice.number == "2026-700005"
    assert order.shipments[0].delivered_on == date(2026, 4, 20)


def test_days_are_the_markets_and_money_has_its_currencys_decimals(shop: Shop) -> None:
    order = hers(shop, "700009")
    assert order.placed_on == date(2026, 5, 5)
    assert str(order.total.amount) == "4200"
    assert hers(shop).placed_on == date(2026, 5, 4)


def test_terms_of_an_unknown_market_are_the_first_markets(shop: Shop) -> None:
    assert shop.terms("xx-XX") == shop.terms("de-DE")
    assert shop.terms("ja-JP").cancellation_fee == Money(Decimal(300), "JPY")
    assert shop.terms("de-DE").delivery[0].price == euros("4.90")


@pytest.mark.parametrize(
    ("number", "refund"),
    [("700001", "105.00"), ("700002", "210.00"), ("700003", None)],
    ids=["paid", "twice", "pending"],
)
def test_cancelling_gives_back_all_that_was_charged(shop: Shop, number: str, refund: str | None) -> None:
    order = shop.cancel_order(number, key="k")
    assert order.status == hers(shop, number).status == "cancelled"
    assert [found.amount for found in order.refunds] == ([euros(refund)] if refund else [])
    assert all(payment.status != "pending" for payment in order.payments)


def test_cancelling_keeps_the_fee(shop: Shop) -> None:
    assert shop.cancel_order("700009", key="k").refunds[0].amount == Money(Decimal(3900), "JPY")


@pytest.mark.parametrize(
    ("number", "reason"), [("700004", "already_left"), ("700005", "already_left"), ("700007", "already_cancelled")]
)
def test_what_has_left_is_not_cancelled_and_nothing_is_noted(
    shop: Shop, engine: Engine, number: str, reason: str
) -> None:
    with pytest.raises(NotAllowed) as refusal:
        shop.cancel_order(number, key="k")
    assert refusal.value.reason == reason
    assert [count(engine, table) for table in (EffectRow, AuditRow, MailRow, RefundRow)] == [0, 0, 0, 0]


def test_more_pieces_are_due_and_fewer_are_paid_back(shop: Shop) -> None:
    more = shop.change_quantity("700001", 1, 3, key="more")
    assert (more.total, more.payments[-1].status, more.payments[-1].amount) == (
        euros("135.00"),
        "pending",
        euros("30.00"),
    )
    fewer = shop.change_quantity("700001", 1, 1, key="fewer")
    assert (fewer.total, len(fewer.payments), fewer.refunds[0].amount) == (euros("75.00"), 1, euros("30.00"))


def test_a_line_of_no_pieces_is_removed_but_the_last_one_stays(shop: Shop) -> None:
    order = shop.change_quantity("700001", 1, 0, key="k1")
    assert [item.line for item in order.items] == [2]
    with pytest.raises(NotAllowed, match="last_item"):
        shop.change_quantity("700001", 2, 0, key="k2")
    assert hers(shop).total == euros("45.00")


@pytest.mark.parametrize("quantity", [-1, 100])
def test_quantities_have_bounds(shop: Shop, quantity: int) -> None:
    with pytest.raises(NotAllowed, match="quantity"):
        shop.change_quantity("700001", 1, quantity, key="k")


def test_an_order_goes_to_another_address_and_the_accounts_stays(shop: Shop) -> None:
    assert shop.change_shipping_address("700001", ELSEWHERE, key="k").address == ELSEWHERE
    assert hers(shop, "700002").address.city == "Berlin"


def test_an_order_does_not_go_to_another_country(shop: Shop) -> None:
    with pytest.raises(NotAllowed, match="other_country"):
        shop.change_shipping_address("700001", Address("A", "B", "1010", "Wien", "AT"), key="k")


def test_an_invoice_is_mailed_to_the_email_on_file(shop: Shop, engine: Engine) -> None:
    shop.send_invoice("700005", key="k")
    assert rows(engine, MailRow.recipient) == [EMAIL]
    assert rows(engine, MailRow.payload) == [{"order": "700005", "invoice": "2026-700005"}]
    with pytest.raises(NotAllowed, match="no_invoice"):
        shop.send_invoice("700001", key="k2")


def test_a_delivered_orders_money_can_be_asked_back_once(shop: Shop) -> None:
    refund = shop.request_refund("700005", key="k")
    assert (refund.amount, refund.status, refund.expected_on) == (euros("105.00"), "requested", date(2026, 5, 9))
    assert hers(shop, "700005").refunds == (refund,)
    with pytest.raises(NotAllowed, match="already_requested"):
        shop.request_refund("700005", key="k2")


@pytest.mark.parametrize(
    ("number", "reason"), [("700001", "not_delivered"), ("700004", "not_delivered"), ("700006", "too_late"),
                           ("700007", "nothing_paid")]
)  # fmt: skip
def test_money_is_not_given_back_against_the_terms(shop: Shop, number: str, reason: str) -> None:
    with pytest.raises(NotAllowed) as refusal:
        shop.request_refund(number, key="k")
    assert refusal.value.reason == reason


def test_an_account_is_opened_once(shop: Shop, engine: Engine) -> None:
    shop.create_account("New@Example.com", "de-DE", key="k")
    with pytest.raises(NotAllowed, match="exists"):
        shop.create_account("new@example.com", "de-DE", key="k2")
    assert sorted(rows(engine, CustomerRow.email)) == [EMAIL, "new@example.com"]
    assert rows(engine, MailRow.kind) == ["account_confirmation"]


@pytest.mark.parametrize("email", ["nobody", "@example.com", "a" * 250 + "@example.com"])
def test_what_is_no_email_gets_no_account(shop: Shop, email: str) -> None:
    with pytest.raises(NotAllowed, match="invalid_email"):
        shop.create_account(email, "de-DE", key="k")


def test_a_changed_email_is_written_to_at_both_ends_and_both_still_prove(shop: Shop, engine: Engine) -> None:
    shop.change_account_email(EMAIL, "beck@example.com", key="k")
    assert sorted(rows(engine, MailRow.recipient)) == [EMAIL, "beck@example.com"]
    order = shop.identify("700001", email="beck@example.com")
    assert order is not None
    assert order.email == "beck@example.com"
    assert shop.identify("700001", email=EMAIL) == order


def test_an_email_of_another_account_is_not_taken(shop: Shop) -> None:
    shop.create_account("new@example.com", "de-DE", key="k")
    with pytest.raises(NotAllowed, match="exists"):
        shop.change_account_email(EMAIL, "new@example.com", key="k2")


def test_an_account_becomes_the_other_kind(shop: Shop, engine: Engine) -> None:
    shop.switch_account(EMAIL, "business", key="k")
    assert rows(engine, CustomerRow.kind) == ["business"]


def test_an_account_is_not_deleted_while_orders_are_open(shop: Shop, engine: Engine) -> None:
    with pytest.raises(NotAllowed, match="open_orders"):
        shop.delete_account(EMAIL, key="k")
    assert count(engine, CustomerRow) == 1


def test_a_deleted_account_leaves_orders_and_nothing_else(shop: Shop, engine: Engine) -> None:
    shop.subscribe(EMAIL, "de-DE", key="s")
    shop.add_shipping_address(EMAIL, ELSEWHERE, key="a")
    shop.send_invoice("700005", key="i")
    with transaction(engine) as session:
        for order in session.scalars(select(OrderRow).where(OrderRow.status.in_(("placed", "packed", "shipped")))):
            order.status = "delivered"
    shop.delete_account(EMAIL, key="d")
    assert [count(engine, table) for table in (CustomerRow, SubscriptionRow)] == [0, 0]
    assert rows(engine, AddressRow.city) == ["Berlin"]
    assert rows(engine, MailRow.kind) == ["account_deleted"]
    assert sorted(rows(engine, EffectRow.key)) == ["d", "s"]  # neither tells anything about her
    assert hers(shop, "700005").email == EMAIL


@pytest.mark.parametrize(
    "change",
    [
        lambda shop: shop.cancel_order("799999", key="k"),
        lambda shop: shop.change_quantity("700001", 9, 1, key="k"),
        lambda shop: shop.switch_account("nobody@example.com", "business", key="k"),
        lambda shop: shop.delete_account("nobody@example.com", key="k"),
        lambda shop: shop.add_shipping_address("nobody@example.com", ELSEWHERE, key="k"),
        lambda shop: shop.add_review("de-DE", 5, conversation="c", order="799999", key="k"),
    ],
)
def test_what_does_not_exist_is_a_lookup_error_and_leaves_the_key_free(
    shop: Shop, engine: Engine, change: Callable[[Shop], object]
) -> None:
    with pytest.raises(LookupError):
        change(shop)
    assert count(engine, EffectRow) == 0


def test_a_reset_link_goes_only_to_who_has_an_account_and_nobody_is_told(shop: Shop, engine: Engine) -> None:
    shop.send_password_reset("nobody@example.com", key="k1")
    shop.send_password_reset("ANNA@example.com", key="k2")
    assert rows(engine, MailRow.recipient) == [EMAIL]


def test_the_newsletter_asks_first_and_ends_at_once(shop: Shop, engine: Engine) -> None:
    shop.subscribe("New@example.com", "de-DE", key="k1")
    assert rows(engine, SubscriptionRow.status) == ["requested"]
    assert rows(engine, MailRow.kind) == ["newsletter_confirmation"]
    shop.unsubscribe("new@example.com", key="k2")
    assert rows(engine, SubscriptionRow.status) == ["ended"]
    shop.unsubscribe("nobody@example.com", key="k3")
    shop.subscribe("new@example.com", "de-DE", key="k4")
    assert rows(engine, SubscriptionRow.status) == ["requested"]


def test_who_already_gets_the_newsletter_is_not_asked_again(shop: Shop, engine: Engine) -> None:
    with transaction(engine) as session:
        session.add(SubscriptionRow(email=EMAIL, market="de-DE", status="active", changed_at=NOW))
    shop.subscribe(EMAIL, "de-DE", key="k")
    assert (rows(engine, SubscriptionRow.status), count(engine, MailRow)) == (["active"], 0)


def test_tickets_have_references_of_their_own(shop: Shop, engine: Engine) -> None:
    one, other = (
        shop.open_ticket("handoff", conversation="c", market="de-DE", reason="asked", key=key) for key in ("k1", "k2")
    )
    assert one.reference != other.reference
    assert (one.kind, one.created_at) == ("handoff", NOW)
    assert count(engine, TicketRow) == 2


def test_a_review_has_one_to_five_stars(shop: Shop, engine: Engine) -> None:
    shop.add_review("de-DE", 5, conversation="c", order="#700001", key="k1")
    shop.add_review("de-DE", 1, conversation="c", order=None, key="k2")
    with pytest.raises(ValueError, match="stars"):
        shop.add_review("de-DE", 6, conversation="c", order=None, key="k3")
    assert sorted(rows(engine, ReviewRow.stars)) == [1, 5]


CHANGES: dict[str, Callable[[Shop], object]] = {
    "cancel": lambda shop: shop.cancel_order("700001", key="k"),
    "quantity": lambda shop: shop.change_quantity("700001", 1, 5, key="k"),
    "order address": lambda shop: shop.change_shipping_address("700001", ELSEWHERE, key="k"),
    "account address": lambda shop: shop.add_shipping_address(EMAIL, ELSEWHERE, key="k"),
    "invoice": lambda shop: shop.send_invoice("700005", key="k"),
    "refund": lambda shop: shop.request_refund("700005", key="k"),
    "account": lambda shop: shop.create_account("new@example.com", "de-DE", key="k"),
    "email": lambda shop: shop.change_account_email(EMAIL, "new@example.com", key="k"),
    "kind": lambda shop: shop.switch_account(EMAIL, "business", key="k"),
    "password": lambda shop: shop.send_password_reset(EMAIL, key="k"),
    "subscribe": lambda shop: shop.subscribe(EMAIL, "de-DE", key="k"),
    "unsubscribe": lambda shop: shop.unsubscribe(EMAIL, key="k"),
    "ticket": lambda shop: shop.open_ticket("complaint", conversation="c", market="de-DE", reason="r", key="k"),
    "review": lambda shop: shop.add_review("de-DE", 4, conversation="c", order=None, key="k"),
}
CHANGED = (AddressRow, AuditRow, CustomerRow, EffectRow, MailRow, PaymentRow, RefundRow, ReviewRow, SubscriptionRow,
           TicketRow)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_same_key_has_one_effect_and_one_result_even_at_the_same_time(
    shop: Shop, engine: Engine, change: Callable[[Shop], object]
) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: change(shop), range(4)))
    counted = [count(engine, table) for table in CHANGED]
    assert [change(shop), *results[1:]] == [results[0]] * 4
    assert [count(engine, table) for table in CHANGED] == counted
    assert count(engine, EffectRow) == count(engine, AuditRow) == 1
    assert count(engine, MailRow) <= 2


def test_a_repeated_call_returns_what_it_returned_before_whatever_happened_since(shop: Shop) -> None:
    first = shop.change_quantity("700001", 1, 3, key="k1")
    shop.change_quantity("700001", 1, 4, key="k2")
    assert shop.change_quantity("700001", 1, 3, key="k1") == first
    assert hers(shop).items[0].quantity == 4


def test_two_who_cancel_at_once_under_different_keys_refund_once(shop: Shop) -> None:
    def cancel(key: str) -> str:
        try:
            return shop.cancel_order("700001", key=key).status
        except NotAllowed as refusal:
            return refusal.reason

    with ThreadPoolExecutor(4) as pool:
        told = sorted(pool.map(cancel, ("k1", "k2", "k3", "k4")))
    assert told == ["already_cancelled"] * 3 + ["cancelled"]
    assert len(hers(shop).refunds) == 1


def test_a_key_of_another_method_is_refused(shop: Shop) -> None:
    shop.unsubscribe(EMAIL, key="k")
    with pytest.raises(KeyReused):
        shop.cancel_order("700001", key="k")


def test_a_change_that_breaks_in_the_middle_can_be_repeated(
    shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("actions.sql_orders._mail", _break)
        with pytest.raises(RuntimeError):
            shop.cancel_order("700001", key="k")
    assert (hers(shop).status, count(engine, EffectRow)) == ("placed", 0)
    assert shop.cancel_order("700001", key="k").status == "cancelled"


def _break(*_: object, **__: object) -> None:
    raise RuntimeError


def test_the_audit_names_no_person(shop: Shop, engine: Engine) -> None:
    shop.cancel_order("700001", key="k1")
    shop.create_account("new@example.com", "de-DE", key="k2")
    shop.change_account_email("new@example.com", "newer@example.com", key="k3")
    with reading(engine) as session:
        entries = session.execute(select(AuditRow.method, AuditRow.subject, AuditRow.details)).all()
    assert [entry.method for entry in entries] == ["cancel_order", "create_account", "change_account_email"]
    assert "@" not in str(entries)
    assert entries[0].subject == "order:700001"


def test_a_database_that_is_away_makes_the_shop_unavailable() -> None:
    shop = SqlShop(open_engine("postgresql://127.0.0.1:1/shop"))
    with pytest.raises(ShopUnavailable):
        shop.identify("1", email=EMAIL)
    with pytest.raises(ShopUnavailable):
        shop.cancel_order("1", key="k")


def test_a_shop_is_loaded_by_its_name(sqlite_engine: Engine) -> None:
    assert isinstance(load_shop("actions.sql_shop:SqlShop", sqlite_engine), SqlShop)


@pytest.mark.parametrize("spec", ["", "SqlShop", "no.such.module:Shop", "actions.sql_shop:NoShop"])
def test_a_wrong_name_of_a_shop_is_explained(sqlite_engine: Engine, spec: str) -> None:
    with pytest.raises(ValueError, match="POLYDESK_SHOP"):
        load_shop(spec, sqlite_engine)
