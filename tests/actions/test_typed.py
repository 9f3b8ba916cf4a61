from __future__ import annotations

import pytest

from actions import typed


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("123456", "123456"),
        ("it is #204511, thanks", "204511"),
        ("२०४५११", "204511"),
        ("ab-20451", "ab-20451"),
        ("anna1984@example.com", None),
        ("no idea", None),
    ],
)
def test_an_order_number_is_found_in_any_digits_and_never_inside_an_email(text: str, number: str | None) -> None:
    assert typed.order_number(text) == number


@pytest.mark.parametrize(
    ("text", "code"), [("10115", "10115"), ("SW1A 1AA", "SW1A 1AA"), ("Berlin", None), ("x" * 9 + "12", None)]
)
def test_only_something_short_with_a_digit_can_be_a_postcode(text: str, code: str | None) -> None:
    assert typed.postcode(text) == code


@pytest.mark.parametrize(
    ("text", "number"), [("3", 3), ("٣ من فضلك", 3), ("two", None), ("3 or 4", None), ("204511", None)]
)
def test_a_small_number_is_the_only_one_in_the_text(text: str, number: int | None) -> None:
    assert typed.small_number(text) == number


@pytest.mark.parametrize(
    ("text", "code", "parts"),
    [
        ("Lindenweg 3, 80331 München", "80331", ("Lindenweg 3", "80331", "München")),
        ("12 Main St, Springfield, IL 62704", "62704", ("12 Main St", "62704", "Springfield, IL")),
        ("〒150-0001 東京都渋谷区神宮前1-1", "150-0001", ("東京都渋谷区神宮前1-1", "150-0001", None)),
        ("شارع العليا 12، الرياض 12611", "12611", ("شارع العليا 12", "12611", "الرياض")),
        ("上海市，徐汇区漕溪北路18号，200030", "200030", ("徐汇区漕溪北路18号", "200030", "上海市")),
        ("渋谷区神宮前1-1、", None, ("渋谷区神宮前1-1", None, None)),
        ("Lindenweg 3", None, ("Lindenweg 3", None, None)),
        ("  ,，、، ", None, (None, None, None)),
    ],
)
def test_an_address_is_split_at_its_postcode(text: str, code: str | None, parts: tuple[str | None, ...]) -> None:
    address = typed.address(text, code)
    assert (address.street, address.postcode, address.city) == parts


def test_a_mistyped_number_resembles_and_a_postcode_does_not() -> None:
    assert typed.resemble("123457", "123456")
    assert not typed.resemble("560001", "123456")
    assert not typed.resemble("10115", "123456")
