"""Entities in texts of every script: what is found, and that the offsets point at it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlu.entities import find_entities


@pytest.mark.parametrize(
    ("text", "entity", "value"),
    [
        ("wo ist 123456?", "order_number", "123456"),
        ("طلب رقم ١٢٣٤٥٦ وين", "order_number", "123456"),
        ("订单号１２３４５６还没到", "order_number", "123456"),
        ("मेरा ऑर्डर ४५६७८९ कहाँ है", "order_number", "456789"),
        ("pedido #204511", "order_number", "204511"),
        ("order ab-12345 please", "order_number", "AB-12345"),
        ("Mail: Anna.Muster+shop@Example.com.", "email", "anna.muster+shop@example.com"),
        ("我的邮箱是li@example.cn谢谢", "email", "li@example.cn"),
        ("meu cep 01310-100", "postcode", "01310-100"),
        ("SW1A 1AA", "postcode", "SW1A1AA"),
        ("PLZ 10115 Berlin", "postcode", "10115"),
        ("59,90 € doppelt", "amount", "59.90 EUR"),
        ("charged $1,299.00", "amount", "1299.00 USD"),
        ("paguei R$ 1.299,90", "amount", "1299.90 BRL"),
        ("退款299元", "amount", "299.00 CNY"),
        ("مبلغ ٢٩٩ ريال", "amount", "299.00 SAR"),
        ("am 3.11.2026 bestellt", "date", "2026-11-03"),
        ("on 12/25/2026", "date", "2026-12-25"),
        ("2026年11月3日", "date", "2026-11-03"),
    ],
)
def test_an_entity_is_found_and_normalised(text: str, entity: str, value: str) -> None:
    assert (entity, value) in {(found.entity, found.value) for found in find_entities(text)}


def test_the_number_before_a_leading_currency_sign_is_the_orders() -> None:
    found = {(each.entity, each.value) for each in find_entities("pedido 204511 R$ 89,90")}
    assert ("order_number", "204511") in found
    assert ("amount", "89.90 BRL") in found


def test_a_date_that_does_not_exist_is_none() -> None:
    assert not [found for found in find_entities("31.02.2026") if found.entity == "date"]


def test_the_digits_of_an_email_are_no_order_number() -> None:
    assert [found.entity for found in find_entities("anna123456@example.com")] == ["email"]


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_and_offsets_lie_inside_it(text: str) -> None:
    for found in find_entities(text):
        assert 0 <= found.start < found.end <= len(text)
