from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import socketio
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import transaction
from bot.agent_tables import agents
from bot.claims import Claims
from bot.conversations import Conversations
from bot.inbox import Inbox, Incoming, Stored, leave_waiting
from bot.outbox import Outbox
from bot.ownership import change
from bot.rasa_client import Reply, TurnResult
from bot.tables import conversations, messages, replies
from tests.bot.edge_for_tests import PATIENCE, Edge, Widget, edge_on
from tests.bot.fake_rasa import FakeRasa, reply, turn
from tests.conftest import fresh_database, order

RESULT = TurnResult(replies=(Reply(name="utter_echo", language="de", text="echo"),), language="de")
OFFER = turn(reply("Sicher?", buttons=[{"title": "Ja", "payload": "/affirm"}, {"title": "Nein", "payload": "/deny"}]))


def until(happened: Callable[[], bool], within: float = 15) -> None:
    """Wait until something another process or thread does has happened."""
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def store(engine: Engine, text: str, *, channel: str = "rest") -> Stored:
    """Store a message of the one customer here, without any edge."""
    conversation = Conversations(engine).open(channel, sender="anna", market="de-DE")
    incoming = Incoming(channel, conversation.id, conversation.id, text, text, "de-DE", None)
    return Inbox(engine).store(incoming)[0]


def state_of(engine: Engine, message: Stored) -> str:
    return Inbox(engine).state(message.key)


def agent(session: Session) -> int:
    """Return a new agent's id."""
    row = {"name": "Ada", "password_hash": "", "role": "agent", "available": True, "created_at": datetime.now(UTC)}
    return int(session.execute(agents.insert().values(row)).inserted_primary_key[0])


@contextmanager
def away(server: str, url: str) -> Iterator[None]:
    """Shut a PostgreSQL database to everybody for a while."""
    name = url.rpartition("/")[2]
    order(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    order(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
    yield
    order(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


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


def test_two_edges_share_the_work_and_each_message_is_answered_once_in_order(
    database_url: str, rasa: FakeRasa, tmp_path: Path
) -> None:
    jobs = [(sender, number) for number in range(4) for sender in "abcdef"]
    with edge_on(database_url, rasa, tmp_path) as one, edge_on(database_url, rasa, tmp_path) as two:
        with ThreadPoolExecutor(12) as pool:
            sent = [
                pool.submit(edge.say, f"{sender} {number}", sender=sender, message_id=str(number))
                for sender, number in jobs
                for edge in (one, two)
            ]
            answers = [each.result() for each in sent]
        assert {answer.status_code for answer in answers} == {200}
        assert sorted(rasa.texts()) == sorted(f"{sender} {number}" for sender, number in jobs)
        assert rasa.overlaps == 0
        for conversation in {row.conversation_id for row in one.rows(messages)}:
            stored = sorted(
                (row for row in one.rows(messages) if row.conversation_id == conversation), key=lambda row: row.number
            )
            asked = [each["message"] for each in rasa.asked if each["sender"] == conversation]
            assert asked == [row.text for row in stored]


def test_an_edge_learns_of_what_another_has_stored(database_url: str, rasa: FakeRasa, tmp_path: Path) -> None:
    with edge_on(database_url, rasa, tmp_path) as edge:
        stored = store(edge.engine, "hallo")  # as an edge that died right after

        until(lambda: state_of(edge.engine, stored) == "done")
    assert rasa.texts() == ["hallo"]


def test_a_dead_edges_conversation_is_taken_over_when_its_claim_has_run_out(engine: Engine) -> None:
    stored = store(engine, "eins")
    store(engine, "zwei")
    dead, other = Claims(engine, lease=0.3), Claims(engine, lease=5)
    assert dead.take(9) == [stored.conversation]
    assert dead.next(stored.conversation).text == "eins"
    assert other.take(9) == []
    dead.renew([stored.conversation])
    until(lambda: other.take(9) == [stored.conversation])

    assert dead.next(stored.conversation) is None, "who lost the claim does not go on"
    taken = other.next(stored.conversation)
    assert (taken.text, taken.key) == ("eins", stored.key)
    assert Outbox(engine).finish(taken, RESULT, button=False)
    assert other.next(stored.conversation).text == "zwei"


def test_a_turn_that_two_edges_ran_is_answered_once(engine: Engine) -> None:
    stored = store(engine, "eins")
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda _: Outbox(engine).finish(stored, RESULT, button=False), range(2)))

    assert sorted(len(one) for one in said) == [0, 1]


def test_a_message_stored_while_its_claim_is_given_back_is_not_forgotten(engine: Engine) -> None:
    claims, outbox = Claims(engine), Outbox(engine)
    first = store(engine, "0")
    with ThreadPoolExecutor(2) as pool:
        for number in range(1, 30):
            taken = claims.take(1)
            message = claims.next(first.conversation)
            assert taken and message, number
            outbox.finish(message, RESULT, button=False)
            ended = pool.submit(claims.next, first.conversation)
            store(engine, str(number))
            if ended.result():  # it was stored before the claim was given back, which therefore was kept
                claims.give_all_back()


def test_who_waits_for_rasa_reads_one_moment_then_of_a_human_and_then_the_answer(edge: Edge) -> None:
    edge.rasa.go_on.clear()
    with Widget(edge.url) as widget:
        widget.begin()
        widget.say("hallo", "m1")
        widget.say("noch da?", "m2")
        assert widget.hear("bot_uttered")["text"] == "one_moment in de"
        assert widget.hear("bot_uttered")["text"] == "rasa_down in de"
        row = edge.rows(conversations)[0]
        assert (row.status, row.handoff_reason, row.ticket) == ("queued", "rasa_down", None)
        assert edge.rasa.texts() == ["hallo"], "the next message does not overtake"
        edge.rasa.go_on.set()
        assert widget.hear("bot_uttered")["text"] == "echo hallo"
        assert widget.hear("bot_uttered")["text"] == "echo noch da?"


def test_an_agent_who_takes_the_conversation_is_not_interrupted_by_a_late_answer(edge: Edge) -> None:
    edge.rasa.go_on.clear()
    with Widget(edge.url) as widget:
        widget.begin()
        widget.say("hallo", "m1")
        widget.say("noch da?", "m2")
        while widget.hear("bot_uttered")["metadata"]["name"] != "edge_rasa_down":
            continue
        conversation = edge.rows(conversations)[0].id
        with transaction(edge.engine) as session:
            change(session, conversation, "agent", at=datetime.now(UTC), reason="claimed", agent=agent(session))
            leave_waiting(session, conversation)
        edge.rasa.go_on.set()
        until(lambda: edge.rows(conversations)[0].lease_by is None)

    assert {row.state for row in edge.rows(messages)} == {"agent"}
    assert "utter_echo" not in {row.name for row in edge.rows(replies)}
    assert edge.rasa.texts() == ["hallo"]


def test_a_notice_is_said_once_however_many_edges_try_the_turn(database: str, rasa: FakeRasa, tmp_path: Path) -> None:
    rasa.go_on.clear()
    for _ in range(2):
        with edge_on(database, rasa, tmp_path) as edge:
            if not edge.rows(messages):
                store(edge.engine, "hallo", channel="widget")
            until(lambda: "edge_one_moment" in {row.name for row in edge.rows(replies)})
            until(lambda: edge.rows(messages)[0].attempts > 0)
    with edge_on(database, rasa, tmp_path) as edge:
        until(lambda: "edge_rasa_down" in {row.name for row in edge.rows(replies)})
        rasa.go_on.set()
        until(lambda: edge.rows(messages)[0].state == "done")
        names = [row.name for row in edge.rows(replies)]
    assert names == ["edge_one_moment", "edge_rasa_down", "utter_echo"]


@pytest.mark.postgresql
def test_while_the_database_is_away_nothing_is_acknowledged_and_afterwards_all_is_answered(
    postgresql_server: str, rasa: FakeRasa, tmp_path: Path
) -> None:
    with fresh_database(postgresql_server) as url, edge_on(url, rasa, tmp_path) as edge, Widget(edge.url) as widget:
        widget.begin()
        with away(postgresql_server, url):
            refused = edge.say("hallo", message_id="m1")
            with pytest.raises(socketio.exceptions.TimeoutError):
                widget.socket.call("user_uttered", {"message": "hallo", "metadata": {"message_id": "m2"}}, timeout=1)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert rasa.asked == []
        assert edge.say("hallo", message_id="m1").json()[0]["text"] == "echo hallo"
        assert widget.say("hallo", "m2")["ok"]
        assert widget.hear("bot_uttered")["text"] == "echo hallo"


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
