"""The benchmark's own counting: it has to see what it promises not to happen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import Engine

from actions.database import transaction
from actions.tables import TicketRow
from bot.outbox import Outbox
from bot.rasa_client import Reply, TurnResult
from bot.tables import replies
from tests.benchmarks.durability_report import Part, write_part
from tests.benchmarks.kills import Outage, longest_wait, look
from tests.bot.waiting import store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RECORDED = TurnResult(replies=(Reply("utter_recorded", "de", "recorded"),), intent="complaint", language="de")


def after(seconds: float) -> datetime:
    """Return a moment."""
    return NOON + timedelta(seconds=seconds)


def complain(engine: Engine, text: str, *, tickets: int) -> str:
    """Have a complaint answered that opens so many tickets; returns its message id."""
    message = store(engine, text)
    Outbox(engine).finish(message, RECORDED, button=False)
    with transaction(engine) as session:
        for _ in range(tickets):
            ticket = {"kind": "complaint", "market": "de-DE", "reason": "complaint", "created_at": NOON}
            session.add(TicketRow(conversation=message.conversation, **ticket))
    return message.message_id


def test_what_was_acknowledged_and_is_lost_unanswered_or_done_twice_is_counted(sqlite_engine: Engine) -> None:
    acknowledged = {complain(sqlite_engine, "fine", tickets=1), store(sqlite_engine, "waits").message_id, "gone"}
    outcome = look(sqlite_engine, acknowledged, [])
    assert (outcome.acknowledged, outcome.lost, outcome.unanswered) == (3, 1, 1)
    assert (outcome.answered_twice, outcome.effects_doubled, outcome.effects_missing) == (0, 0, 0)

    complain(sqlite_engine, "no ticket", tickets=0)
    assert look(sqlite_engine, acknowledged, []).effects_missing == 1

    complain(sqlite_engine, "three tickets", tickets=3)
    assert look(sqlite_engine, acknowledged, []).effects_doubled == 1


def test_an_answer_that_is_said_again_is_counted(sqlite_engine: Engine) -> None:
    acknowledged = {complain(sqlite_engine, "fine", tickets=1)}
    with transaction(sqlite_engine) as session:
        row = dict(session.execute(replies.select()).one()._mapping)
        session.execute(replies.insert().values({**row, "id": None, "number": row["number"] + 1}))

    assert look(sqlite_engine, acknowledged, []).answered_twice == 1


def test_a_wait_counts_from_the_end_of_an_outage_to_the_answer_or_the_next_kill() -> None:
    outages = [Outage("edge", after(10), after(15)), Outage("rasa", after(40), after(60))]

    assert longest_wait(after(0), after(1), outages) == 1
    assert longest_wait(after(9), after(18), outages) == 3, "the outage itself is not counted"
    assert longest_wait(after(12), after(62), outages) == 25, "the wait between two outages is"
    assert longest_wait(after(41), after(59), outages) <= 0
    assert longest_wait(after(70), after(90), outages) == 20


def test_a_missed_goal_is_named_and_the_report_keeps_what_else_stands_there(tmp_path: Path) -> None:
    report = tmp_path / "benchmarks.md"
    report.write_text("# Benchmarks\n\nby hand\n")
    good = Part("kills", "kills", seed=1, load=0.5, figures={"messages": 9, "lost": 0, "gaps": 0})
    bad = Part("pairs", "pairs", seed=1, load=0.5, figures={"messages": 9, "lost": 1, "gaps": 0})

    for part in (bad, good, good):
        write_part(part, report)

    assert (good.missed, bad.missed) == ([], ["lost"])
    assert report.read_text().startswith("# Benchmarks\n\nby hand\n")
    assert report.read_text().count("### kills") == report.read_text().count("### pairs") == 1
