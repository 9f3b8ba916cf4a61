from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.tables import messages
from tests.bot.edge_for_tests import PATIENCE, Edge, Widget, edge_on
from tests.bot.fake_rasa import FakeRasa, reply, turn
from tests.bot.waiting import until

OFFER = turn(reply("Sicher?", buttons=[{"title": "Ja", "payload": "/affirm"}, {"title": "Nein", "payload": "/deny"}]))


def marks(rasa: FakeRasa) -> list[bool]:
    return [asked["metadata"]["button"] for asked in rasa.asked]


def test_a_button_is_genuine_only_if_the_last_bot_turn_offered_it(edge: Edge) -> None:
    edge.rasa.script["storno"] = OFFER

    for text in ("/affirm", "storno", "/affirm{}", "/restart", "storno", "/affirm", "/affirm"):
        edge.say(text)

    assert edge.rasa.texts() == ["/affirm", "storno", "/affirm{}", "/restart", "storno", "/affirm", "/affirm"]
    assert marks(edge.rasa) == [False, False, False, False, False, True, False]


def test_another_conversations_buttons_are_not_ones_own(edge: Edge) -> None:
    edge.rasa.script["storno"] = OFFER

    edge.say("storno", sender="anna")
    edge.say("/affirm", sender="ben")

    assert marks(edge.rasa) == [False, False]


def test_a_payload_from_any_reply_of_the_last_turn_counts(edge: Edge) -> None:
    edge.rasa.script["storno"] = turn(*OFFER["replies"], reply("Es kostet nichts."))

    edge.say("storno")
    edge.say("/deny")

    assert marks(edge.rasa) == [False, True]


def test_after_an_apology_the_offered_buttons_still_count(edge: Edge) -> None:
    edge.rasa.script["storno"] = OFFER
    edge.say("storno")
    edge.rasa.failing = 99
    assert edge.say("/affirm").json()[0]["metadata"]["name"] == "edge_apology"
    edge.rasa.failing = 0
    edge.say("/affirm")

    assert edge.rasa.asked[-1]["metadata"]["button"] is True


def test_the_greetings_buttons_may_be_pressed(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        widget.begin()
        widget.say("/track_order", "m1")
        widget.hear("bot_uttered")

    assert marks(edge.rasa) == [True]


def test_a_turn_that_fails_is_repeated_with_the_same_id(edge: Edge) -> None:
    edge.rasa.failing = 1

    answer = edge.say("hallo", message_id="m1")

    assert [one["text"] for one in answer.json()] == ["echo hallo"]
    assert len(edge.rasa.asked) == 2
    assert edge.rasa.asked[0] == edge.rasa.asked[1]


def test_a_turn_that_keeps_failing_ends_with_an_apology_in_the_conversations_language(edge: Edge) -> None:
    edge.rasa.script["bonjour"] = turn(reply("salut", language="fr"), language="fr")
    edge.say("bonjour", metadata={"market": "de-DE"})
    edge.rasa.failing = 99

    began = time.monotonic()
    answer = edge.say("123456")

    assert [one["text"] for one in answer.json()] == ["apology in fr"]
    assert time.monotonic() - began < PATIENCE.failing + 2
    assert [row.state for row in edge.rows(messages)] == ["done", "failed"]
    edge.rasa.failing = 0
    assert edge.say("bonjour").json()[0]["text"] == "salut"


@pytest.mark.parametrize(
    ("metadata", "failure", "language"),
    [
        ({"market": "es-ES"}, {}, "es"),
        ({"market": "es-ES", "language_hint": "it"}, {}, "it"),
        ({"market": "de-DE"}, {"language": "fr"}, "fr"),
        ({}, {}, "en"),
    ],
)
def test_a_first_message_that_fails_is_answered_in_the_best_known_language(
    edge: Edge, metadata: dict[str, str], failure: dict[str, str], language: str
) -> None:
    edge.rasa.failing = 99
    edge.rasa.failure = {"turn": "failed", **failure}

    assert edge.say("hallo", metadata=metadata).json()[0]["text"] == f"apology in {language}"


def test_the_widget_hears_the_apology_and_that_the_turn_failed(edge: Edge) -> None:
    with Widget(edge.url) as widget:
        widget.begin()
        edge.rasa.failing = 99
        widget.say("hallo", "m1")
        assert widget.hear("polydesk_turn") == {"message_id": "m1", "state": "typing"}
        assert widget.hear("bot_uttered")["text"] == "apology in de"
        assert widget.hear("polydesk_turn") == {"message_id": "m1", "state": "failed"}


@pytest.mark.parametrize("rubbish", [b"", b"<html>", b"[]", b'{"replies": 7}', b'{"replies": [{"text": 1}]}', b"\xff"])
def test_rubbish_from_rasa_is_no_answer_and_asked_again(edge: Edge, rubbish: bytes) -> None:
    edge.rasa.rubbish = rubbish
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(edge.say, "hallo")
        until(lambda: len(edge.rasa.asked) > 1)
        edge.rasa.rubbish = None

        assert [one["text"] for one in answer.result().json()] == ["echo hallo"]
    assert len({asked["message_id"] for asked in edge.rasa.asked}) == 1


def test_conversations_run_side_by_side_and_each_in_order(edge: Edge) -> None:
    edge.rasa.go_on.clear()
    with ThreadPoolExecutor(12) as pool:
        answers = [
            pool.submit(edge.say, f"{sender} {number}", sender=sender, message_id=str(number))
            for sender in "abcd"
            for number in range(3)
        ]
        while edge.rasa.most_at_once < 4:
            time.sleep(0.01)
        edge.rasa.go_on.set()
        assert {answer.result().status_code for answer in answers} == {200}

    assert edge.rasa.overlaps == 0
    stored = {row.conversation_id: [] for row in edge.rows(messages)}
    for row in sorted(edge.rows(messages), key=lambda row: row.number):
        stored[row.conversation_id].append(row.text)
    for conversation, texts in stored.items():
        assert [asked["message"] for asked in edge.rasa.asked if asked["sender"] == conversation] == texts


def test_many_messages_at_once_from_each_of_many_senders_are_answered_in_order(edge: Edge) -> None:
    def send(sender: str) -> list[str]:
        with Widget(edge.url) as widget:
            widget.begin()
            for number in range(20):
                widget.socket.emit("user_uttered", {"message": f"{sender} {number}", "metadata": {}})
            return [widget.hear("bot_uttered", within=30)["text"] for _ in range(20)]

    with ThreadPoolExecutor(5) as pool:
        heard = dict(zip("abcde", pool.map(send, "abcde"), strict=True))

    assert heard == {sender: [f"echo {sender} {number}" for number in range(20)] for sender in "abcde"}
    assert edge.rasa.overlaps == 0
    assert len(edge.rasa.asked) == 100


def test_every_delivery_five_times_and_twenty_at_once_is_processed_once(edge: Edge) -> None:
    ids = [str(number) for number in range(40)] * 5
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda one: edge.say(f"nr {one}", sender=f"customer {one}", message_id=one), ids))

    assert {answer.json()[0]["text"] for answer in answers} == {f"echo nr {one}" for one in ids}
    assert sorted(edge.rasa.texts()) == sorted(f"nr {one}" for one in set(ids))


def test_what_was_not_answered_is_taken_up_after_a_restart(database: str, rasa: FakeRasa, tmp_path: Path) -> None:
    rasa.go_on.clear()
    with edge_on(database, rasa, tmp_path) as edge, Widget(edge.url) as widget:
        token, _ = widget.begin()
        for number in range(3):
            assert widget.say(f"nr {number}", f"m{number}")["ok"]
        widget.hear("polydesk_turn")
    rasa.go_on.set()
    rasa.asked.clear()

    with edge_on(database, rasa, tmp_path) as edge, Widget(edge.url) as widget:
        _, ready = widget.begin(token)
        heard = [entry["text"] for entry in ready["history"] if entry["name"] == "utter_echo"]
        while len(heard) < 3:
            heard.append(widget.hear("bot_uttered")["text"])
        assert heard == ["echo nr 0", "echo nr 1", "echo nr 2"]
        assert rasa.texts() == ["nr 0", "nr 1", "nr 2"]
        assert {row.state for row in edge.rows(messages)} == {"done"}


def test_messages_wait_for_a_rasa_that_is_still_starting(database: str, rasa: FakeRasa, tmp_path: Path) -> None:
    rasa.ready = False
    with edge_on(database, rasa, tmp_path) as edge, Widget(edge.url) as widget:
        widget.begin()
        assert widget.say("hallo", "m1")["ok"]
        health = edge.http.get("/health")
        assert (health.status_code, health.json()["missing"]) == (503, ["rasa"])
        assert rasa.asked == []
        rasa.ready = True
        assert widget.hear("bot_uttered")["text"] == "echo hallo"
        assert edge.http.get("/health").json() == {"status": "ok", "missing": []}


def test_rest_answers_504_when_it_takes_too_long_and_the_message_stays(
    database: str, rasa: FakeRasa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.channels.rest.RestChannel.__init__.__kwdefaults__", {"waits": 0.3})
    rasa.go_on.clear()
    with edge_on(database, rasa, tmp_path) as edge:
        assert edge.say("hallo", message_id="m1").status_code == 504
        assert [row.state for row in edge.rows(messages)] == ["waiting"]
        rasa.go_on.set()
        monkeypatch.undo()
        while edge.say("hallo", message_id="m1").status_code == 504:
            pass
        assert edge.say("hallo", message_id="m1").json()[0]["text"] == "echo hallo"
