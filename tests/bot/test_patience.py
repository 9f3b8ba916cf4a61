from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import socketio
from sqlalchemy.orm import Session

from actions.database import transaction
from bot.agent_tables import agents
from bot.inbox import leave_waiting
from bot.ownership import change
from bot.tables import conversations, messages, replies
from tests.bot.edge_for_tests import Edge, Widget, edge_on
from tests.bot.fake_rasa import FakeRasa
from tests.bot.waiting import store, until
from tests.conftest import fresh_database, order


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


def hear_bot(widget: Widget) -> str:
    """Return the bot's next words; what the edge tells those who wait for an agent is another's promise."""
    while True:
        body = widget.hear("bot_uttered")
        if body["metadata"]["author"] == "bot":
            return str(body["text"])


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
        heard = [hear_bot(widget), hear_bot(widget)]
    assert heard == ["echo hallo", "echo noch da?"]


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
        names = [row.name for row in edge.rows(replies) if not row.name.startswith("edge_handoff")]
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
