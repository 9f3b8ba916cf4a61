"""What an edge does while nobody listens where its Rasa should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.tables import conversations, messages, replies
from bot.turns import Patience
from tests.bot.edge_for_tests import Edge, Widget, edge_on
from tests.bot.fake_rasa import FakeRasa, served
from tests.bot.waiting import store, until
from tests.services import free_port

UNHURRIED = Patience(one_moment=60.0, human=90.0)


@pytest.fixture
def port() -> int:
    """Name a port on which nobody listens."""
    return free_port()


def stored(edge: Edge) -> list[Any]:
    """Return the messages in the order in which they came."""
    return sorted(edge.rows(messages), key=lambda row: row.id)


def told(edge: Edge, conversation: str) -> list[str]:
    """Return what a customer was told, but for what handoffs tell her."""
    said = [row for row in edge.rows(replies) if row.conversation_id == conversation]
    said.sort(key=lambda row: row.number)
    return [row.name for row in said if not row.name.startswith("edge_handoff")]


def test_another_edge_answers_in_order_for_one_whose_rasa_is_gone(
    database_url: str, rasa: FakeRasa, port: int, tmp_path: Path
) -> None:
    nowhere = f"http://127.0.0.1:{port}"
    with edge_on(database_url, rasa, tmp_path, rasa_url=nowhere, patience=UNHURRIED) as lame:
        texts = [str(number) for number in range(5)]
        for text in texts:
            store(lame.engine, text)
        until(lambda: stored(lame)[0].attempts > 0 and lame.rows(conversations)[0].lease_by is None)
        with edge_on(database_url, rasa, tmp_path, patience=UNHURRIED):
            until(lambda: {row.state for row in stored(lame)} == {"done"})
            assert [one["text"] for one in lame.say("hallo", sender="ben").json()] == ["echo hallo"]

    assert rasa.texts() == [*texts, "hallo"]
    assert rasa.overlaps == 0


def test_an_edge_whose_rasa_is_gone_claims_nothing_until_it_answers_again(
    database: str, rasa: FakeRasa, port: int, tmp_path: Path
) -> None:
    nowhere = f"http://127.0.0.1:{port}"
    with edge_on(database, rasa, tmp_path, rasa_url=nowhere, patience=UNHURRIED) as edge:
        store(edge.engine, "eins")
        until(lambda: stored(edge)[0].attempts > 0)
        store(edge.engine, "zwei", channel="widget")
        until(lambda: stored(edge)[1].began_at is not None)
        rasa.ready = False
        with served(rasa.app, port=port):
            store(edge.engine, "drei", channel="telegram")
            until(lambda: stored(edge)[2].began_at is not None)
            assert [row.attempts for row in stored(edge)] == [1, 0, 0]
            assert {row.lease_by for row in edge.rows(conversations)} == {None}
            rasa.ready = True
            until(lambda: {row.state for row in edge.rows(messages)} == {"done"})

    assert sorted(rasa.texts()) == ["drei", "eins", "zwei"]


def test_who_waits_for_a_rasa_that_is_gone_reads_one_moment_then_of_a_human_and_then_the_answer(
    database: str, rasa: FakeRasa, port: int, tmp_path: Path
) -> None:
    with edge_on(database, rasa, tmp_path, rasa_url=f"http://127.0.0.1:{port}") as edge, Widget(edge.url) as widget:
        widget.begin()
        widget.say("hallo", "m1")
        widget.say("noch da?", "m2")
        assert widget.hear("polydesk_turn") == {"message_id": "m1", "state": "typing"}
        assert widget.hear("bot_uttered")["text"] == "one_moment in de"
        assert widget.hear("bot_uttered")["text"] == "rasa_down in de"
        row = edge.rows(conversations)[0]
        assert (row.status, row.handoff_reason) == ("queued", "rasa_down")
        with served(rasa.app, port=port):
            until(lambda: {row.state for row in edge.rows(messages)} == {"done"})
        assert told(edge, row.id) == ["edge_one_moment", "edge_rasa_down", "utter_echo", "utter_echo"]
    assert rasa.texts() == ["hallo", "noch da?"]


def test_a_message_that_comes_while_rasa_is_gone_is_told_once_too(
    database_url: str, rasa: FakeRasa, port: int, tmp_path: Path
) -> None:
    nowhere = f"http://127.0.0.1:{port}"
    with (
        edge_on(database_url, rasa, tmp_path, rasa_url=nowhere) as one,
        edge_on(database_url, rasa, tmp_path, rasa_url=nowhere),
    ):
        store(one.engine, "eins")
        until(lambda: stored(one)[0].attempts > 0)
        late = store(one.engine, "zwei", channel="widget")
        until(lambda: "edge_rasa_down" in told(one, late.conversation))
        with served(rasa.app, port=port):
            until(lambda: {row.state for row in one.rows(messages)} == {"done"})
        assert told(one, late.conversation) == ["edge_one_moment", "edge_rasa_down", "utter_echo"]
