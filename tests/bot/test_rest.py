from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.rates import TRUSTED
from bot.tables import conversations, messages, replies
from tests.bot.edge_for_tests import Edge, edge_on
from tests.bot.fake_rasa import FakeRasa, reply, turn


def test_a_message_is_answered_with_rasas_list_of_replies(edge: Edge) -> None:
    edge.rasa.script["wo ist sie?"] = turn(
        reply("Nummer?", name="utter_ask_order_number", buttons=[{"title": "Ja", "payload": "/affirm"}]),
        reply("Bitte."),
    )

    answer = edge.say("wo ist sie?", metadata={"market": "de-DE", "language_hint": "de-AT", "admin": True})

    assert answer.status_code == 200
    first, second = answer.json()
    assert first["recipient_id"] == "anna"
    assert first["text"] == "Nummer?"
    assert first["buttons"] == [{"title": "Ja", "payload": "/affirm"}]
    assert first["metadata"]["name"] == "utter_ask_order_number"
    assert second["text"] == "Bitte."
    assert second["metadata"]["id"] > first["metadata"]["id"]
    assert edge.rasa.asked[0]["metadata"] == {"market": "de-DE", "language_hint": "de", "button": False}


def test_a_repeated_id_returns_the_stored_replies_and_asks_rasa_once(edge: Edge) -> None:
    first = edge.say("hallo", message_id="1")
    again = edge.say("hallo", message_id="1")

    assert again.json() == first.json()
    assert edge.rasa.texts() == ["hallo"]


def test_one_id_sent_twenty_times_at_once_is_processed_once(edge: Edge) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: edge.say("hallo", message_id="1"), range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert edge.rasa.texts() == ["hallo"]
    assert len(edge.rows(conversations)) == 1


def test_the_same_id_from_another_sender_is_another_message(edge: Edge) -> None:
    edge.say("geheim", sender="anna", message_id="1")
    other = edge.say("hallo", sender="ben", message_id="1")

    assert [one["text"] for one in other.json()] == ["echo hallo"]
    ids = [asked["message_id"] for asked in edge.rasa.asked]
    assert len(set(ids)) == 2, "an action's effect is done once for each id"


def test_texts_are_stored_exactly(edge: Edge) -> None:
    text = "  \u202eمرحبا\u200f 注文 🇩🇪 \\u0041 <b>\t\r\n "
    edge.say(text)

    assert [row.text for row in edge.rows(messages)] == [text]
    assert edge.rasa.texts() == [text]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'"text"', 400),
        (b"{", 400),
        (b'{"sender": "a"}', 400),
        (b'{"sender": "a", "message": ""}', 400),
        (b'{"sender": "a", "message": " \\n "}', 400),
        (b'{"sender": "a", "message": null}', 400),
        (b'{"sender": "a", "message": {"text": "x"}}', 400),
        (b'{"sender": 7, "message": "x"}', 400),
        (b'{"sender": "", "message": "x"}', 400),
        (b'{"sender": "a", "message": "x", "message_id": 7}', 400),
        (b'{"sender": "a", "message": "x", "message_id": ""}', 400),
        (b'{"sender": "a\\u0000", "message": "x"}', 400),
        (b'{"sender": "a", "message": "x\\u0000"}', 400),
        (b'{"sender": "a", "message": "\\ud800"}', 400),
        (b'{"sender": "a", "message": "x", "message_id": "\\u0000"}', 400),
        (b'{"sender": "a", "message": "\xff\xfe"}', 400),
        (b'{"sender": "a", "message": "x", "metadata": []}', 400),
        (b'{"sender": "a", "message": "x", "metadata": {"market": "xx-XX"}}', 400),
        (b'{"sender": "a", "message": "x", "metadata": {"market": 7}}', 400),
        (b'{"sender": "a", "message": "x", "metadata": {"language_hint": ["de"]}}', 400),
        (b'{"sender": "a", "message": ' + b"[" * 20000 + b"]" * 20000 + b"}", 400),
        (json.dumps({"sender": "a", "message": "x" * 2001}).encode(), 413),
        (json.dumps({"sender": "a", "message": "x" * 100_000}).encode(), 413),
    ],
)
def test_bad_input_is_refused_clearly_and_the_next_message_works(shared_edge: Edge, body: bytes, status: int) -> None:
    asked = len(shared_edge.rasa.asked)
    answer = shared_edge.http.post("/webhooks/rest/webhook", content=body)

    assert answer.status_code == status
    assert answer.json()["error"]
    assert len(shared_edge.rasa.asked) == asked
    assert shared_edge.say("hallo", sender="a").status_code == 200


def test_a_refusal_speaks_the_markets_language(edge: Edge) -> None:
    answer = edge.say("x" * 2001, metadata={"market": "fr-FR"})

    assert answer.json()["error"] == "too_long in fr"


def test_two_thousand_characters_of_any_script_are_taken(edge: Edge) -> None:
    assert edge.say("🇯🇵" * 1000).status_code == 200


def test_without_market_the_first_one_serves(edge: Edge) -> None:
    edge.say("hello")

    assert edge.rasa.asked[0]["metadata"]["market"] == "en-US"


def test_a_conversation_keeps_the_market_it_was_given(edge: Edge) -> None:
    edge.say("hallo", metadata={"market": "fr-FR"})
    edge.say("hallo")

    assert [asked["metadata"]["market"] for asked in edge.rasa.asked] == ["fr-FR", "fr-FR"]


def test_a_token_is_required_where_one_is_set(database: str, rasa: FakeRasa, tmp_path: Path) -> None:
    with edge_on(database, rasa, tmp_path, rest_token="tok") as edge:
        url, body = "/webhooks/rest/webhook", {"sender": "a", "message": "x"}
        assert edge.http.post(url, json=body).status_code == 401
        assert edge.http.post(url, json=body, headers={"Authorization": "Bearer tox"}).status_code == 401
        assert edge.http.post(url, json=body, headers={"Authorization": "tok"}).status_code == 401
        assert rasa.asked == []
        assert edge.http.post(url, json=body, headers={"Authorization": "Bearer tok"}).status_code == 200


def test_without_a_token_only_this_machine_is_served(edge: Edge) -> None:
    # The server believes a proxy on loopback about where a request comes from.
    headers = {"X-Forwarded-For": "203.0.113.7"}
    answer = edge.http.post("/webhooks/rest/webhook", json={"sender": "a", "message": "x"}, headers=headers)

    assert answer.status_code == 403
    assert edge.rasa.asked == []


@pytest.mark.usefixtures("endless_minute")
def test_too_many_messages_of_one_sender_are_refused(database: str, rasa: FakeRasa, tmp_path: Path) -> None:
    with edge_on(database, rasa, tmp_path, sender_rate=1) as edge:
        statuses = [edge.say("hallo").status_code for _ in range(TRUSTED + 2)]

        assert statuses == [200] * TRUSTED + [429, 429]
        assert edge.say("hallo", sender="ben").status_code == 200


def test_a_handoff_queues_the_conversation_and_an_agents_conversation_is_silent(edge: Edge) -> None:
    handoff = {"handoff": {"ticket": "T-1", "reason": "angry"}}
    edge.rasa.script["mensch!"] = turn(reply("Moment."), reply("", **handoff))

    spoken = edge.say("mensch!").json()

    row = edge.rows(conversations)[0]
    assert [one["text"] for one in spoken] == ["Moment."]
    assert (row.status, row.ticket, row.handoff_reason) == ("queued", "T-1", "angry")
    with edge.engine.begin() as connection:
        connection.execute(conversations.update().values(status="agent"))
    asked = len(edge.rasa.asked)
    assert edge.say("noch da?").json() == []
    assert len(edge.rasa.asked) == asked
    assert [row.state for row in edge.rows(messages)] == ["done", "agent"]


def test_what_rasa_made_of_a_message_is_stored_with_it(edge: Edge) -> None:
    edge.say("hallo")

    row = edge.rows(messages)[0]
    assert (row.intent, row.language, row.adapter, row.sentiment) == ("track_order", "de", "de-DE", "neutral")
    assert edge.rows(conversations)[0].language == "de"
    assert len(edge.rows(replies)) == 1


def test_unknown_routes_and_methods_are_no_server_errors(edge: Edge) -> None:
    assert edge.http.get("/webhooks/rest/webhook").status_code == 405
    assert edge.http.get("/webhooks/telegram/webhook").status_code == 404
