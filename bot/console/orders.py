"""The orders of the customer in a conversation: those that she has proved by number and e-mail or postcode.

What convinces the bot convinces the console; nobody's orders are shown because a stranger typed her e-mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import TypeVar

from actions.shop import Order, Shop
from bot.customer_identity import Customer
from nlu.entities import find_entities

T = TypeVar("T")

ORDERS = 3
# Of the newest order numbers and proofs; what lies further back is hardly what the conversation is about.
CANDIDATES = 5


def known_orders(shop: Shop, texts: Iterable[str], customer: Customer | None = None) -> list[Order]:
    """Return the orders that a customer's texts, newest first, name and prove, or that the shop has signed as hers.

    Raises `ShopUnavailable`.
    """
    entities = [(found.entity, found.value) for text in texts for found in find_entities(text)]
    numbers = _first([value for kind, value in entities if kind == "order_number"])
    proofs = _first([entity for entity in entities if entity[0] in ("email", "postcode")])
    if customer and customer.email:
        numbers, proofs = [*numbers, *_first(customer.orders)], [("email", customer.email), *proofs]
    orders: dict[str, Order] = {}
    for number, (kind, value) in product(numbers, proofs):
        if len(orders) == ORDERS:
            break
        order = shop.identify(number, **{kind: value}) if number != value else None
        if order:
            orders.setdefault(order.number, order)
    return list(orders.values())


def _first(values: Sequence[T]) -> list[T]:
    return list(dict.fromkeys(values))[:CANDIDATES]
