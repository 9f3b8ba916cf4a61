from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.engine import Engine

from actions.database import transaction
from bot.claims import Claims
from bot.inbox import Inbox
from bot.outbox import Outbox
from bot.rasa_client import Reply, TurnResult
from bot.tables import conversations, messages
from tests.bot.edge_for_tests import edge_on
from tests.bot.fake_rasa import FakeRasa
from tests.bot.waiting import store, until

RESULT = TurnResult(replies=(Reply(name="utter_echo", language="de", text="echo"),), language="de")


def run_out(engine: Engine) -> None:
    """Let the time of all claims pass."""
    with transaction(engine) as session:
        session.execute(update(conversations).values(lease_until=datetime.now(UTC) - timedelta(seconds=1)))


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

        until(lambda: Inbox(edge.engine).state(stored.key) == "done")
    assert rasa.texts() == ["hallo"]


def test_a_dead_edges_conversation_is_taken_over_when_its_claim_has_run_out(engine: Engine) -> None:
    stored = store(engine, "eins")
    store(engine, "zwei")
    dead, other = Claims(engine, lease=60), Claims(engine, lease=60)
    assert dead.take(9) == [stored.conversation]
    assert dead.next(stored.conversation).text == "eins"
    assert other.take(9) == []
    run_out(engine)
    assert other.take(9) == [stored.conversation]

    assert dead.next(stored.conversation) is None, "who lost the claim does not go on"
    taken = other.next(stored.conversation)
    assert (taken.text, taken.key) == ("eins", stored.key)
    assert Outbox(engine).finish(taken, RESULT, button=False)
    assert other.next(stored.conversation).text == "zwei"


def test_a_claim_that_is_renewed_does_not_run_out(engine: Engine) -> None:
    stored = store(engine, "eins")
    working, other = Claims(engine, lease=60), Claims(engine, lease=60)
    working.take(9)
    run_out(engine)
    working.renew([stored.conversation])
    assert other.take(9) == []
    working.give_all_back()
    assert other.take(9) == [stored.conversation]


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
