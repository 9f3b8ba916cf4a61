from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import socketio

from bot.feedback import CONSENT_VERSION
from bot.identity import Identity
from bot.tables import consents, conversations, messages, ratings, scores
from tests.bot.edge_for_tests import SIGNS, Edge, Widget, edge_on
from tests.bot.fake_rasa import FakeRasa, reply, turn


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_message_goes_round_over_each_transport(edge: Edge, transport: str) -> None:
    with Widget(edge.url, [transport]) as widget:
        token, ready = widget.begin()
        acknowledged = widget.say("wo ist sie?", "m1")

        assert isinstance(token, str)
        assert acknowledged["ok"] and acknowledged["message_id"] == "m1"
        assert widget.hear("polydesk_turn") == {"message_id": "m1", "state": "typing"}
        answer = widget.hear("bot_uttered")
        assert answer["text"] == "echo wo ist sie?"
        assert answer["metadata"]["id"] > acknowledged["id"] > ready["history"][-1]["id"]
        assert answer["metadata"]["message_id"] == "m1"
        assert (answer["metadata"]["name"], answer["metadata"]["language"]) == ("utter_echo", "de")
        assert widget.hear("polydesk_turn") == {"message_id": "m1", "state": "done"}


def test_pythons_asynchronous_client_holds_a_conversation_over_websocket(edge: Edge) -> None:
    async def converse() -> str:
        client = socketio.AsyncClient()
        answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        client.on("bot_uttered", answers.put)
        await client.connect(edge.url, transports=["websocket"])
        await client.emit("session_request", {"metadata": {"market": "de-DE"}})
        await client.emit("user_uttered", {"message": "hallo"})
        answer = await asyncio.wait_for(answers.get(), 10)
        await client.disconnect()
        return str(answer["text"])

    assert asyncio.run(converse()) == "echo hallo"


def test_buttons_and_images_come_in_rasas_form(edge: Edge) -> None:
    buttons = [{"title": "Ja", "payload": "/affirm"}]
    edge.rasa.script["storno"] = turn(reply("Sicher?", buttons=buttons, image="https://shop.example/a.png"))
    with Widget(edge.url) as widget:
        widget.begin()
        widget.say("storno", "m1")
        answer = widget.hear("bot_uttered")

    assert answer["quick_replies"] == [{"content_type": "text", "title": "Ja", "payload": "/affirm"}]
    assert answer["attachment"] == {"type": "image", "payload": {"src": "https://shop.example/a.png"}}


def test_the_session_begins_with_the_greeting_once(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        token, ready = widget.begin()
        _, again = widget.begin(token)

    assert [(entry["from"], entry["text"]) for entry in ready["history"]] == [("bot", "Hallo")]
    assert again["history"] == ready["history"]
    assert (ready["market"], ready["language"], ready["direction"]) == ("de-DE", "de", "ltr")
    assert ready["texts"]["send"] == "send in de"
    assert ready["consent"] == {"asked": False, "version": CONSENT_VERSION}
    assert "de-DE" in ready["privacy_url"]


def test_arabic_is_told_to_run_from_right_to_left(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        _, ready = widget.begin(market="ar-SA")

    assert (ready["language"], ready["direction"]) == ("ar", "rtl")


def test_a_session_begins_without_rasa_and_is_greeted_later(edge: Edge) -> None:
    edge.rasa.failing = 1
    with Widget(edge.url) as widget:
        token, ready = widget.begin()
        assert ready["history"] == []
        edge.rasa.failing = 0
        _, ready = widget.begin(token)
        assert [entry["text"] for entry in ready["history"]] == ["Hallo"]


def test_history_after_a_reload_shows_pressed_buttons_by_their_title(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        token, _ = widget.begin()
        widget.say("/track_order", "m1")
        widget.hear("bot_uttered")
    with Widget(edge.url) as widget:
        again, ready = widget.begin(token)

    said = [(entry["from"], entry["text"]) for entry in ready["history"]]
    assert said == [("bot", "Hallo"), ("customer", "Verfolgen"), ("bot", "echo /track_order")]
    assert Identity(SIGNS).conversation(again) == Identity(SIGNS).conversation(token)
    numbers = [entry["id"] for entry in ready["history"]]
    assert numbers == sorted(set(numbers))


def test_a_repeated_id_is_acknowledged_again_and_its_replies_come_again(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        widget.begin()
        first = widget.say("hallo", "m1")
        answer = widget.hear("bot_uttered")
        again = widget.say("hallo", "m1")

        assert again == first
        assert widget.hear("bot_uttered") == answer
    assert edge.rasa.texts() == ["hallo"]


def test_what_a_client_missed_comes_when_it_resumes(edge: Edge) -> None:
    edge.rasa.go_on.clear()
    with Widget(edge.url) as widget:
        token, ready = widget.begin()
        seen = ready["history"][-1]["id"]
        widget.say("hallo", "m1")
        widget.hear("polydesk_turn")
    edge.rasa.go_on.set()
    with Widget(edge.url) as widget, Widget(edge.url) as other:
        widget.begin(token)
        other.begin()
        wait_until_done(edge)
        widget.socket.emit("polydesk_resume", {"last_id": seen})
        answer = widget.hear("bot_uttered")
        assert answer["text"] == "echo hallo"
        assert widget.socket.call("polydesk_resume", {"last_id": answer["metadata"]["id"]}) == {"ok": True}
        assert "bot_uttered" not in [name for name, _ in other.heard.queue]


def test_two_tabs_of_a_conversation_hear_the_same_and_strangers_nothing(edge: Edge) -> None:
    with Widget(edge.url) as one, Widget(edge.url) as two, Widget(edge.url) as stranger:
        token, _ = one.begin()
        two.begin(token)
        stranger.begin()
        one.say("hallo", "m1")

        assert one.hear("bot_uttered") == two.hear("bot_uttered")
        one.hear("polydesk_turn")
        assert [name for name, _ in stranger.heard.queue] == []


def tampered(token: str) -> list[str]:
    """Return tokens that must open nothing."""
    header, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    other = ("A" if signature[0] != "A" else "B") + signature[1:]
    return [
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        f"{header}.{body}.{other}",
        f"{header}.{body}.",
        jwt.encode(claims, "another secret, which is long enough too", algorithm="HS256"),
        jwt.encode(claims, SIGNS, algorithm="HS512"),
        jwt.encode({**claims, "aud": "another service"}, SIGNS, algorithm="HS256"),
        jwt.encode({name: value for name, value in claims.items() if name != "exp"}, SIGNS, algorithm="HS256"),
        Identity(SIGNS).sign(claims["sub"], lasts=timedelta(seconds=-1)),
        claims["sub"],
        "",
        "\0",
        "x" * 10_000,
    ]


def test_a_conversation_is_joined_with_its_token_only(edge: Edge) -> None:
    with Widget(edge.url) as victim, Widget(edge.url) as thief:
        token, _ = victim.begin()
        victim.say("geheim", "m1")
        victim.hear("bot_uttered")
        mine = Identity(SIGNS).conversation(token)
        for bad in [*tampered(token), 7, {"a": 1}, [token], True]:
            new, ready = thief.begin(bad)
            assert Identity(SIGNS).conversation(new) not in (None, mine)
            assert "geheim" not in json.dumps(ready["history"])


def test_a_message_with_a_bad_session_is_refused_and_the_next_works(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        token, _ = widget.begin()
        for bad in [*tampered(token), 7, [token]]:
            refused = widget.say("hallo", "m1", session_id=bad)
            assert refused["ok"] is False and refused["error"] == "no_session in de"
        assert edge.rasa.asked == []
        assert widget.say("hallo", "m1", session_id=token)["ok"]


def test_a_rest_sender_reaches_no_widget_conversation(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        token, _ = widget.begin()
        conversation = Identity(SIGNS).conversation(token)
        widget.say("geheim", "m1")
        widget.hear("bot_uttered")
        edge.say("hallo", sender=conversation, message_id="m1")
        edge.say("hallo", sender=token)

    assert len({asked["sender"] for asked in edge.rasa.asked}) == 3
    assert edge.say("hallo", sender=conversation, message_id="m1").json()[0]["text"] == "echo hallo"


def test_a_client_of_rasas_plain_protocol_needs_no_session_and_reads_refusals(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        widget.socket.emit("user_uttered", {"message": "hello"})
        assert isinstance(widget.hear("session_confirm"), str)
        assert widget.hear("bot_uttered")["text"] == "echo hello"
        widget.socket.emit("user_uttered", {"message": "x" * 3000})
        assert widget.hear("bot_uttered")["text"] == "too_long in de"  # the echo was in German
        widget.socket.emit("session_request", None)
        assert isinstance(widget.hear("session_confirm"), str)


@pytest.mark.parametrize(
    "body",
    [
        None,
        "text",
        7,
        [],
        {},
        {"message": None},
        {"message": 7},
        {"message": {"text": "x"}},
        {"message": ""},
        {"message": "  \n"},
        {"message": "x\0"},
        {"message": "\ud800"},
        {"message": "x" * 2001},
        {"message": "x" * 100_000},
        {"message": "x" * 900_000},
        {"message": "x", "metadata": "de-DE"},
        {"message": "x", "metadata": {"market": "xx-XX"}},
        {"message": "x", "metadata": {"market": ["de-DE"]}},
        {"message": "x", "metadata": {"message_id": 7}},
        {"message": "x", "metadata": {"message_id": "m" * 1000}},
    ],
)
def test_a_bad_message_is_refused_and_the_next_one_works(shared_edge: Edge, body: object) -> None:
    with Widget(shared_edge.url) as widget:
        widget.begin()
        refused = widget.socket.call("user_uttered", body, timeout=10)
        assert refused["ok"] is False
        assert refused["error"].endswith(" in de")
        assert widget.say("hallo", "m1")["ok"]
        assert widget.hear("polydesk_turn")["state"] == "typing"


def test_broken_frames_break_nothing(shared_edge: Edge) -> None:
    bomb = "[" * 100_000 + "]" * 100_000
    for frame in (
        '2["user_uttered"',
        f'2["user_uttered",{bomb}]',
        f"2{bomb}",
        "9",
        "2",
        '2{"a":1}',
        "2[]",
        '2["nobody",1]',
    ):
        with Widget(shared_edge.url) as widget:
            widget.begin()
            widget.socket.eio.send(frame)
        with Widget(shared_edge.url) as widget:
            widget.begin()
            assert widget.say("hallo", "m1")["ok"]


def test_broken_polling_requests_are_no_server_errors(shared_edge: Edge) -> None:
    url = "/socket.io/?EIO=4&transport=polling"
    opened = shared_edge.http.get(url).text
    sid = json.loads(opened[1:])["sid"]
    for body in (b"\xff\xfe", b"4" + b"[" * 50_000, b"x" * 2_000_000, b"", b"40\x1e4\xff"):
        assert shared_edge.http.post(f"{url}&sid={sid}", content=body).status_code < 500
        assert shared_edge.http.post(f"{url}&sid=nobody", content=body).status_code < 500
    assert shared_edge.http.get("/socket.io/?EIO=3&transport=polling").status_code == 400
    assert shared_edge.http.get("/socket.io/?EIO=4&transport=carrier%20pigeon").status_code == 400


def test_an_unknown_market_is_refused_and_a_known_one_works_then(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        refused = widget.socket.call("session_request", {"metadata": {"market": "xx-XX"}})
        assert refused["ok"] is False and refused["reason"] == "unknown_market"
        assert widget.begin()[1]["market"] == "de-DE"


def test_consent_is_kept_with_time_and_version_and_no_without_an_answer(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        token, _ = widget.begin()
        assert edge.rows(consents) == []
        assert widget.socket.call("polydesk_consent", {"given": True}) == {"ok": True}
        assert widget.begin(token)[1]["consent"]["asked"] is True
        widget.socket.call("polydesk_consent", {"given": False})
        assert widget.socket.call("polydesk_consent", {"given": "yes"})["ok"] is False

    kept = edge.rows(consents)
    assert [(row.given, row.version) for row in kept] == [(True, CONSENT_VERSION), (False, CONSENT_VERSION)]
    assert all(row.at for row in kept)
    assert {row.conversation_id for row in kept} == {Identity(SIGNS).conversation(token)}


def test_thumbs_and_score_are_stored_and_the_last_one_counts(edge: Edge) -> None:
    with Widget(edge.url) as widget, Widget(edge.url) as stranger:
        _, ready = widget.begin()
        stranger.begin()
        number = ready["history"][0]["id"]
        for value in (1, -1):
            assert widget.socket.call("polydesk_rate", {"id": number, "value": value}) == {"ok": True}
        for score in (2, 5):
            assert widget.socket.call("polydesk_score", {"score": score}) == {"ok": True}
        for bad in (
            {"id": number, "value": 0},
            {"id": 99, "value": 1},
            {"id": "1", "value": 1},
            {"id": 10**30, "value": 1},
        ):
            assert widget.socket.call("polydesk_rate", bad)["ok"] is False
        for bad in ({"score": 0}, {"score": 6}, {"score": 2.5}, {}, None):
            assert widget.socket.call("polydesk_score", bad)["ok"] is False

    assert [(row.number, row.value) for row in edge.rows(ratings)] == [(number, -1)]
    assert [row.score for row in edge.rows(scores)] == [5]


def test_before_a_session_there_is_nothing_to_rate_or_resume(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        for event, body in (
            ("polydesk_resume", {}),
            ("polydesk_consent", {"given": True}),
            ("polydesk_score", {"score": 5}),
        ):
            assert widget.socket.call(event, body)["ok"] is False
    assert edge.rows(conversations) == []


@pytest.mark.usefixtures("endless_minute")
def test_too_many_messages_are_refused_politely(database: str, rasa: FakeRasa, tmp_path: Path) -> None:
    with edge_on(database, rasa, tmp_path, sender_rate=3) as edge, Widget(edge.url) as widget:
        widget.begin()
        answers = [widget.say("hallo", f"m{number}") for number in range(5)]

    assert [answer["ok"] for answer in answers] == [True, True, True, False, False]
    assert answers[-1]["error"] == "too_many in de"


def test_a_page_of_another_site_may_connect_only_where_it_is_named(
    database: str, rasa: FakeRasa, tmp_path: Path
) -> None:
    path = "/socket.io/?EIO=4&transport=polling"
    with edge_on(database, rasa, tmp_path, origins=("https://shop.example",)) as edge:
        asked = {
            origin: edge.http.get(path, headers={"Origin": origin}).status_code
            for origin in ("https://shop.example", "https://elsewhere.example")
        }
    assert asked == {"https://shop.example": 200, "https://elsewhere.example": 400}


def test_fifty_messages_at_once_are_answered_in_order(edge: Edge) -> None:
    texts = [f"nr {number}" for number in range(50)]
    with Widget(edge.url) as widget:
        widget.begin()
        for text in texts:
            widget.socket.emit("user_uttered", {"message": text, "metadata": {"message_id": text}})
        heard = [widget.hear("bot_uttered")["text"] for _ in texts]

    assert edge.rasa.texts() == texts
    assert heard == [f"echo {text}" for text in texts]
    assert edge.rasa.overlaps == 0


def wait_until_done(edge: Edge) -> None:
    """Wait until no message waits; each look is a whole turn of somebody else's."""
    for _ in range(200):
        if all(row.state != "waiting" for row in edge.rows(messages)):
            return
        edge.say("noch eine", sender="someone else")
    pytest.fail("the message was never answered")
