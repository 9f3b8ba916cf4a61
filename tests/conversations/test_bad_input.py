"""What no client should send, over REST and the socket: a clear refusal, nothing of the 5xx, and then all is well."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.conversations.conftest import Customer
from tests.conversations.polydesk import Polydesk

Come = Callable[..., Customer]
GOOD = {"sender": "bad-input", "message": "where is my order?", "metadata": {"market": "en-US"}}
NESTED = "[" * 50_000 + "]" * 50_000

BODIES = {
    "nothing": b"",
    "no JSON": b"message=hello",
    "invalid UTF-8": b'{"sender": "bad-input", "message": "\xff\xfe"}',
    "nested": NESTED.encode(),
    "nested metadata": json.dumps({**GOOD, "metadata": {"market": json.loads("[" * 500 + "]" * 500)}}).encode(),
    "a list": json.dumps([GOOD]).encode(),
    "no sender": json.dumps({"message": "hello"}).encode(),
    "an empty message": json.dumps({**GOOD, "message": ""}).encode(),
    "only spaces": json.dumps({**GOOD, "message": " \n\t "}).encode(),
    "100,000 characters": json.dumps({**GOOD, "message": "x" * 100_000}).encode(),
    "NUL": json.dumps({**GOOD, "message": "where\0is"}).encode(),
    "NUL in the sender": json.dumps({**GOOD, "sender": "bad\0input"}).encode(),
    "half a character": b'{"sender": "bad-input", "message": "\\ud83d"}',
    "a number for the message": json.dumps({**GOOD, "message": 7}).encode(),
    "an object for the sender": json.dumps({**GOOD, "sender": {"name": "x"}}).encode(),
    "an unknown market": json.dumps({**GOOD, "metadata": {"market": "xx-XX"}}).encode(),
    "a list for the market": json.dumps({**GOOD, "metadata": {"market": ["en-US"]}}).encode(),
}
UTTERED: dict[str, Any] = {
    "nothing": None,
    "a list": ["hello"],
    "no message": {"metadata": {"message_id": "a"}},
    "an empty message": {"message": "", "metadata": {"message_id": "a"}},
    "100,000 characters": {"message": "x" * 100_000, "metadata": {"message_id": "a"}},
    "NUL": {"message": "where\0is", "metadata": {"message_id": "a"}},
    "a number for the message": {"message": 7, "metadata": {"message_id": "a"}},
    "an unknown market": {"message": "hello", "metadata": {"message_id": "a", "market": "xx-XX"}},
    "a list for the metadata": {"message": "hello", "metadata": []},
    "a number for the id": {"message": "hello", "metadata": {"message_id": 7}},
    "another's session": {"message": "hello", "session_id": "somebody else", "metadata": {"message_id": "a"}},
}


@pytest.fixture(scope="module")
def rest(polydesk: Polydesk) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=polydesk.url, timeout=60, trust_env=False) as http:
        yield http


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_rest_refuses_it_and_answers_the_next_message(rest: httpx.Client, body: bytes) -> None:
    refused = rest.post("/webhooks/rest/webhook", content=body)
    assert 400 <= refused.status_code < 500
    assert refused.json()["error"]
    answered = rest.post("/webhooks/rest/webhook", json=GOOD)
    assert answered.status_code == httpx.codes.OK
    assert answered.json()[0]["text"]


@pytest.mark.parametrize("body", UTTERED.values(), ids=UTTERED)
def test_the_socket_refuses_it_and_answers_the_next_message(customer_in: Come, body: Any) -> None:
    customer = customer_in("de-DE")
    refused = customer.widget.socket.call("user_uttered", body, timeout=30)
    assert refused["ok"] is False
    assert refused["error"]
    assert customer.says("Wo ist meine Bestellung?") == ["utter_request_order_number"]
