"""What is no second request; how two requests are found is shown in whole conversations."""

from __future__ import annotations

import pytest

from nlu.entities import find_entities
from nlu.segments import gives_an_email


@pytest.mark.parametrize(
    "text",
    [
        "my mail is anna@example.com",
        "meine E-Mail-Adresse ist anna@example.com",
        "mi correo es anna@example.com, pedido 204511",
        "我的邮箱是 anna@example.com",
    ],
)
def test_saying_ones_email_is_no_request(text: str) -> None:
    assert gives_an_email(text, find_entities(text))


@pytest.mark.parametrize(
    "text", ["please change the e-mail of my account to anna@example.com", "cancel order 204511", "where is it"]
)
def test_a_wish_is_a_request(text: str) -> None:
    assert not gives_an_email(text, find_entities(text))
