"""The server of the actions: its secret, its answers to nonsense, and what one repeated call does."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from starlette.testclient import TestClient

from actions import tables
from actions.action import Surroundings
from actions.database import open_engine, reading
from actions.server import find_actions, make_app
from actions.shop import ShopUnavailable
from actions.sql_shop import SqlShop
from nlu.markets import load_markets
from tests.dialogue.shop_data import ANNA, DELIVERED, EVA, NOW, PLACED, fill

SECRET = "test-secret"


@pytest.fixture
def shop(tmp_path: Any) -> SqlShop:
    engine = open_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    fill(engine)
    return SqlShop(engine, now=lambda: NOW)


@pytest.fixture
def client(shop: SqlShop) -> TestClient:
    return TestClient(
        make_app(find_actions(Surroundings(shop, load_markets(), "/")), SECRET), raise_server_exceptions=False
    )


def call(action: str, **slots: Any) -> dict[str, Any]:
    message = {"text": "…", "intent": {"name": "affirm", "confidence": 1.0}, "entities": [], "message_id": "m1"}
    tracker = {
        "sender_id": "c1",
        "slots": slots,
        "latest_message": {**message, "metadata": {"market": "de-DE"}},
        "events": [{"event": "user", "parse_data": message}],
        "active_loop": {},
    }
    return {"next_action": action, "sender_id": "c1", "tracker": tracker, "domain": {}}


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=t%C3%A9st"])
def test_a_wrong_secret_is_refused(client: TestClient, query: str) -> None:
    assert client.post(f"/webhook{query}", json=call("action_payment_methods")).status_code == 401


def test_the_right_secret_is_served(client: TestClient) -> None:
    answer = client.post(f"/webhook?token={SECRET}", json=call("action_payment_methods"))
    assert answer.json()["responses"][0]["methods"] == ["method_card", "method_paypal", "method_klarna"]


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"next_action"'])
def test_a_body_that_is_no_object_is_refused(client: TestClient, body: bytes) -> None:
    assert client.post(f"/webhook?token={SECRET}", content=body).status_code == 400


def test_an_unknown_action_is_not_found(client: TestClient) -> None:
    assert client.post(f"/webhook?token={SECRET}", json=call("action_none")).status_code == 404


def test_health_is_open_and_no_other_origin_is_allowed(client: TestClient) -> None:
    answer = client.get("/health", headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_a_shop_that_cannot_be_reached_fails_the_call(shop: SqlShop, client: TestClient, monkeypatch: Any) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise ShopUnavailable("down")

    monkeypatch.setattr(shop, "terms", unreachable)
    assert client.post(f"/webhook?token={SECRET}", json=call("action_payment_methods")).status_code == 503


CHANGES = [
    ("action_cancel_order", tables.RefundRow, {"order_number": PLACED, "email": ANNA, "confirmed": True}),
    (
        "action_change_order",
        tables.MailRow,
        {"order_number": PLACED, "email": ANNA, "line": 1, "quantity": 2, "confirmed": True},
    ),
    ("action_get_refund", tables.RefundRow, {"order_number": DELIVERED, "email": EVA, "confirmed": True}),
    ("action_get_invoice", tables.MailRow, {"order_number": DELIVERED, "email": EVA}),
    (
        "action_add_address",
        tables.AddressRow,
        {
            "order_number": DELIVERED,
            "email": EVA,
            "new_street": "S 1",
            "new_postcode": "1",
            "new_city": "C",
            "confirmed": True,
        },
    ),
    (
        "action_change_address",
        tables.AddressRow,
        {
            "order_number": PLACED,
            "email": ANNA,
            "new_street": "S 1",
            "new_postcode": "1",
            "new_city": "C",
            "confirmed": True,
        },
    ),
    ("action_payment_issue", tables.TicketRow, {"order_number": PLACED, "email": ANNA}),
    ("action_create_account", tables.CustomerRow, {"account_email": "new@example.net"}),
    ("action_recover_password", tables.MailRow, {"account_email": ANNA}),
    (
        "action_edit_account",
        tables.MailRow,
        {"order_number": DELIVERED, "email": EVA, "new_email": "e@example.net", "confirmed": True},
    ),
    ("action_newsletter", tables.SubscriptionRow, {"newsletter_wish": "subscribe", "account_email": ANNA}),
    ("action_review", tables.ReviewRow, {"stars": 5}),
    ("action_complaint", tables.TicketRow, {}),
    ("action_handoff", tables.TicketRow, {}),
]


@pytest.mark.parametrize(("action", "table", "slots"), CHANGES, ids=[action for action, *_ in CHANGES])
def test_a_repeated_call_has_one_effect_and_the_same_answer(
    shop: SqlShop, client: TestClient, action: str, table: Any, slots: dict[str, Any]
) -> None:
    def rows() -> int:
        with reading(shop._engine) as session:
            return int(session.query(table).count())

    before = rows()
    first = client.post(f"/webhook?token={SECRET}", json=call(action, **slots))
    once = rows()
    second = client.post(f"/webhook?token={SECRET}", json=call(action, **slots))
    assert first.status_code == 200
    assert first.json() == second.json()
    assert once > before
    assert rows() == once


@pytest.mark.parametrize(
    "action", ["action_cancel_order", "action_change_address", "action_get_refund", "action_delete_account"]
)
def test_nothing_is_changed_without_a_yes_or_without_the_proof(client: TestClient, shop: SqlShop, action: str) -> None:
    for slots in ({"order_number": PLACED, "email": ANNA}, {"order_number": PLACED, "email": EVA, "confirmed": True}):
        answer = client.post(f"/webhook?token={SECRET}", json=call(action, **slots))
        assert answer.json() == {"events": [], "responses": []}
    with reading(shop._engine) as session:
        assert session.query(tables.AuditRow).count() == 0


def test_the_server_imports_neither_tensorflow_nor_torch_nor_rasa() -> None:
    heavy = "{'tensorflow', 'torch', 'rasa'}"
    code = f"import sys, actions.server, actions.sql_shop; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
