"""What customers are told while they wait, and when a conversation goes back into the queue; time is passed in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine

from bot.handoff_watch import HandoffWatch, Patience
from bot.opening_hours import is_open
from nlu.markets import load_markets
from tests.bot.agents_for_tests import WEDNESDAY, Clock, Desk


@pytest.fixture
def desk(sqlite_engine: Engine) -> Desk:
    return Desk(sqlite_engine, Clock(WEDNESDAY))


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def watch(desk: Desk, told: list[str]) -> HandoffWatch:
    return HandoffWatch(desk.engine, desk.handoff, desk.markets, told.append, clock=desk.clock)


def test_nobody_available_is_told_once(desk: Desk, watch: HandoffWatch) -> None:
    key = desk.conversation()
    assert watch.look() == [key]
    assert desk.names_said(key)[-1] == "edge_handoff_nobody_available"
    desk.clock.passes(minutes=1)
    assert watch.look() == []
    assert desk.history(key)[-1] == ("queued", "queued", "told_nobody_available")


def test_nothing_is_told_while_an_agent_is_there(desk: Desk, watch: HandoffWatch) -> None:
    desk.agent("Anna", here=True)
    key = desk.conversation()
    assert watch.look() == []
    assert desk.names_said(key) == ["utter_hello"]


def test_an_agent_who_is_away_or_has_closed_her_page_is_not_available(desk: Desk, watch: HandoffWatch) -> None:
    anna = desk.agent("Anna", here=True)
    desk.accounts.set_available(anna, available=False)
    key = desk.conversation()
    assert watch.look() == [key]
    desk.accounts.set_available(anna, available=True)
    other = desk.conversation()
    assert watch.look() == []
    desk.clock.passes(minutes=2)
    assert watch.look() == [other]


@pytest.mark.parametrize("away", [{"hours": 8}, {"days": 3}])  # Wednesday evening, Saturday
def test_out_of_hours_the_opening_hours_are_told(desk: Desk, watch: HandoffWatch, away: dict[str, float]) -> None:
    desk.agent("Anna", here=True)
    desk.clock.passes(**away)
    key = desk.conversation()
    desk.here()
    assert watch.look() == [key]
    assert "09:00" in desk.said(key)[-1].text
    assert "18:00" in desk.said(key)[-1].text
    assert watch.look() == []


def test_hours_are_the_markets_own() -> None:
    markets = load_markets()
    assert is_open(markets["de-DE"], WEDNESDAY)
    assert not is_open(markets["ja-JP"], WEDNESDAY), "it is 18:00 in Tokyo"
    assert is_open(markets["ja-JP"], WEDNESDAY - timedelta(minutes=1))
    assert not is_open(markets["en-US"], WEDNESDAY), "it is 5:00 in New York"
    assert not is_open(markets["de-DE"], WEDNESDAY + timedelta(days=3))


@pytest.mark.parametrize(("market", "closed"), [("de-DE", {"Sat", "Sun"}), ("ar-SA", {"Fri", "Sat"})])
def test_days_are_the_markets_own(market: str, closed: set[str]) -> None:
    row = load_markets()[market]
    week = [WEDNESDAY + timedelta(days=day) for day in range(7)]
    assert {f"{day:%a}" for day in week if not is_open(row, day)} == closed


def test_who_waits_long_is_told_that_she_still_waits(desk: Desk, watch: HandoffWatch) -> None:
    desk.agent("Anna", here=True)
    key = desk.conversation()
    desk.clock.passes(seconds=Patience().queued.total_seconds() + 1)
    desk.here()
    assert watch.look() == [key]
    assert desk.names_said(key)[-1] == "edge_handoff_still_waiting"
    assert watch.look() == []


def test_who_did_not_ask_for_a_person_is_told_nothing(desk: Desk, watch: HandoffWatch) -> None:
    key = desk.conversation(queued=False)
    desk.handoff.queue(key, reason="negative")
    assert watch.look() == []
    desk.handoff.queue(key, reason="wish", ticket="T1")
    assert watch.look() == [key]


def test_an_agent_who_leaves_a_customer_without_answer_loses_the_conversation(desk: Desk, watch: HandoffWatch) -> None:
    anna = desk.agent("Anna", here=True)
    key = desk.conversation()
    desk.handoff.claim(key, anna)
    desk.handoff.reply(key, anna, "one moment")
    desk.clock.passes(hours=2)
    desk.here()
    assert watch.look() == [], "nobody waits for her"
    desk.customer_writes(key, "hello?")
    desk.clock.passes(days=1)
    desk.here()
    assert watch.look()[0] == key
    assert desk.row(key).status == "queued"
    assert desk.history(key)[-1] == ("agent", "queued", "agent_silent")
    assert "edge_handoff_agent_silent" in desk.names_said(key)


def test_the_conversations_of_a_disabled_account_go_back_into_the_queue(desk: Desk, watch: HandoffWatch) -> None:
    anna = desk.agent("Anna")
    desk.agent("Ben", here=True)
    key = desk.conversation()
    desk.handoff.claim(key, anna)
    desk.accounts.disable("Anna")
    assert watch.look() == [key]
    assert desk.history(key)[-1] == ("agent", "queued", "agent_disabled")


def test_two_edges_that_look_at_once_tell_it_once(desk: Desk, watch: HandoffWatch) -> None:
    key = desk.conversation()
    other = HandoffWatch(desk.engine, desk.handoff, desk.markets, lambda _: None, clock=desk.clock)
    assert [*watch.look(), *other.look()] == [key]
