"""Customers' identities through the running edge, and a hundred ways to somebody else's conversation."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from actions.database import transaction
from bot.customer_identity import IdentityKey
from bot.customers import verified_customer
from bot.identity import Identity
from bot.tables import conversations, identities
from tests.bot.edge_for_tests import SIGNS, Edge, Widget, edge_on
from tests.bot.fake_rasa import FakeRasa, reply, turn
from tests.bot.test_customer_identity import SECRET, signed
from tests.bot.test_widget_channel import tampered

ANNA, EVA = "anna@example.com", "eva@example.org"
FAILING = (
    signed(exp=datetime.now(UTC) - timedelta(hours=1)),
    signed(key="another secret, which is long enough as well"),
    signed(aud="another service"),
    {"sub": "c-1", "email": ANNA},
    "c-1",
    7,
)


@pytest.fixture
def signing_edge(database: str, rasa: FakeRasa, tmp_path: Path) -> Iterator[Edge]:
    """An edge of a shop that signs its customers' identities."""
    with edge_on(database, rasa, tmp_path, identity_key=IdentityKey.shared(SECRET)) as edge:
        yield edge


def told(edge: Edge) -> list[dict[str, Any]]:
    """Return what Rasa was told of the customers, message by message."""
    return [{name: each["metadata"].get(name) for name in ("email", "orders")} for each in edge.rasa.asked]


def identity_of(email: str, **more: Any) -> str:
    return signed({"sub": email, "aud": "polydesk", "email": email}, **more)


def test_rasa_is_told_what_the_shop_has_signed(signing_edge: Edge) -> None:
    with Widget(signing_edge.url) as widget:
        token, ready = widget.begin(identity=identity_of(ANNA, orders=["204511"], market="fr-FR"), market=None)
        widget.say("hallo", "m1")
        widget.hear("bot_uttered")
    signing_edge.say("hallo", metadata={"identity": identity_of(EVA)})

    assert ready["market"] == "fr-FR"
    assert told(signing_edge) == [{"email": ANNA, "orders": ["204511"]}, {"email": EVA, "orders": None}]
    kept = {row.conversation_id: row.email for row in signing_edge.rows(identities)}
    assert kept[Identity(SIGNS).conversation(token)] == ANNA


def test_what_a_client_claims_without_a_signature_is_told_to_nobody(signing_edge: Edge) -> None:
    claims = {"email": ANNA, "orders": ["204511"], "customer": {"email": ANNA}, "sub": "c-1", "button": True}
    signing_edge.say("hallo", metadata=claims)
    with Widget(signing_edge.url) as widget:
        widget.begin(**claims)
        widget.say("hallo", "m1", metadata=claims)
        widget.hear("bot_uttered")

    assert told(signing_edge) == [{"email": None, "orders": None}] * 2
    assert signing_edge.rows(identities) == []


def test_an_identity_that_fails_is_counted_and_the_customer_goes_on_unknown(signing_edge: Edge) -> None:
    for number, bad in enumerate(FAILING):
        assert signing_edge.say("hallo", sender=f"s{number}", metadata={"identity": bad}).status_code == 200

    assert told(signing_edge) == [{"email": None, "orders": None}] * len(FAILING)
    counted = signing_edge.http.get("/metrics").text
    assert 'polydesk_identities_total{result="expired"} 1.0' in counted
    assert 'polydesk_identities_total{result="signature"} 3.0' in counted
    assert 'polydesk_identities_total{result="form"} 2.0' in counted


def test_without_a_key_no_identity_is_believed(edge: Edge) -> None:
    edge.say("hallo", metadata={"identity": identity_of(ANNA)})

    assert told(edge) == [{"email": None, "orders": None}]


def test_an_identity_holds_until_it_expires(signing_edge: Edge) -> None:
    signing_edge.say("hallo", metadata={"identity": identity_of(ANNA)})
    row = signing_edge.rows(identities)[0]
    assert verified_customer(signing_edge.engine, row.conversation_id) is not None
    with transaction(signing_edge.engine) as session:
        session.execute(identities.update().values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    signing_edge.say("noch da?")

    assert told(signing_edge)[-1] == {"email": None, "orders": None}


def test_two_customers_at_one_screen_share_no_conversation(signing_edge: Edge) -> None:
    signing_edge.rasa.script["meine?"] = turn(reply("Bestellung 204511"))
    with Widget(signing_edge.url) as widget:
        annas, _ = widget.begin(identity=identity_of(ANNA))
        widget.say("meine?", "m1")
        widget.hear("bot_uttered")
        evas, ready = widget.begin(annas, identity=identity_of(EVA))
        widget.say("und jetzt?", "m2")
        widget.hear("bot_uttered")
        again, history = widget.begin(annas, identity=identity_of(ANNA))
        # Whoever signs in between two messages begins a conversation of hers as well.
        widget.say("wer bin ich?", "m3", metadata={"identity": identity_of("mia@example.com")})
        widget.hear("bot_uttered")

    assert Identity(SIGNS).conversation(evas) != Identity(SIGNS).conversation(annas)
    assert "204511" not in json.dumps(ready["history"])
    assert Identity(SIGNS).conversation(again) == Identity(SIGNS).conversation(annas)
    assert "204511" in json.dumps(history["history"])
    assert [each["email"] for each in told(signing_edge)] == [ANNA, EVA, "mia@example.com"]
    assert len(signing_edge.rows(conversations)) == 3


def test_a_rest_sender_cannot_be_two_customers(signing_edge: Edge) -> None:
    assert signing_edge.say("hallo", metadata={"identity": identity_of(ANNA)}).status_code == 200
    assert signing_edge.say("hallo", metadata={"identity": identity_of(EVA)}).status_code == 403
    assert signing_edge.say("hallo", metadata={"identity": identity_of(ANNA)}).status_code == 200
    assert [each["email"] for each in told(signing_edge)] == [ANNA, ANNA]


def test_a_hundred_tries_to_reach_anothers_conversation_reach_nothing(signing_edge: Edge) -> None:
    signing_edge.rasa.script["meine?"] = turn(reply("geheim"))
    with Widget(signing_edge.url) as victim, Widget(signing_edge.url) as thief:
        token, ready = victim.begin(identity=identity_of(ANNA))
        victim.say("meine?", "m1")
        victim.hear("bot_uttered")
        mine = Identity(SIGNS).conversation(token)
        assert mine is not None
        names = [*tampered(token), mine, mine.upper(), f" {mine}", f"{mine}\0", {"sub": mine}, [token], 7, True]
        names += [f"Bearer {token}", token[:-1], token + "x", {"conversation": mine, "token": token}]
        names += [
            str(uuid.UUID(mine)),
            mine.replace("-", ""),
            f"widget:{mine}",
            f"{mine}/../{mine}",
            "%",
            "*",
            "_" * 36,
        ]
        tries = 0
        for name in names:
            _, others = thief.begin(name)
            assert "geheim" not in json.dumps(others)
            assert thief.say("hallo", f"t{tries}", session_id=name)["ok"] is False
            resumed = thief.socket.call("polydesk_resume", {"last_id": 0, "session_id": name, "conversation": name})
            assert resumed == {"ok": True}
            tries += 3
        for name in (mine, token, f"widget {mine}"):
            for message_id in ("m1", "meine?", str(ready["history"][0]["id"])):
                answer = signing_edge.say("hallo", sender=name, message_id=message_id)
                assert "geheim" not in answer.text
                tries += 1
        for event in ("polydesk_rate", "polydesk_consent", "polydesk_score"):
            thief.socket.call(event, {"id": 2, "value": 1, "given": True, "score": 1, "conversation": mine})
            tries += 1
        heard = [json.dumps(body) for _, body in thief.heard.queue]
        victims = [name for name, _ in victim.heard.queue]

    assert tries >= 100
    assert not any("geheim" in body for body in heard)
    assert "bot_uttered" not in victims, "nothing was said in her conversation"
    assert [each["email"] for each in told(signing_edge)].count(ANNA) == 1
