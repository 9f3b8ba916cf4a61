from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from actions.database import transaction
from bot.personal_data.retention import purge
from bot.tables import conversations
from nlu.markets import load_markets
from tests.bot.personal_data.people_for_tests import ANNAS, EVAS, NOW, House

MARKETS = load_markets()
KEPT_FOR = timedelta(days=MARKETS["de-DE"].retention)


def test_what_is_within_its_markets_retention_stays(house: House) -> None:
    before = house.contents()
    done = purge(house.engine, house.tracker, house.erasure(), MARKETS, now=NOW + KEPT_FOR)

    assert done.rows == {}
    assert house.contents() == before


def test_quiet_conversations_are_erased_wholly(house: House) -> None:
    with transaction(house.engine) as session:
        evas = conversations.c.id == EVAS
        session.execute(update(conversations).where(evas).values(market="en-US"))  # kept for a year
    purge(house.engine, house.tracker, house.erasure(), MARKETS, now=NOW + KEPT_FOR + timedelta(days=1))
    left = house.contents()

    assert [row.id for row in left["conversations"]] == [EVAS]
    assert {row.conversation_id for row in left["messages"]} == {EVAS}
    assert {row["conversation"] for row in left["dialogue"]} == {EVAS}
    assert left["transcripts"] == []


def test_of_a_conversation_that_goes_on_the_old_part_is_deleted(house: House) -> None:
    now = NOW + KEPT_FOR + timedelta(days=1)
    with transaction(house.engine) as session:
        session.execute(update(conversations).values(last_customer_at=now))
    done = purge(house.engine, house.tracker, house.erasure(), MARKETS, now=now)
    left = house.contents()

    assert [row.id for row in left["conversations"]] == [ANNAS, EVAS]
    for table in ("messages", "replies", "notes", "corrections", "ratings", "handoff_events", "effects", "dialogue"):
        assert left[table] == [], table
        assert done.rows[table] >= 2, table
    assert len(left["consents"]) == 2, "what she agreed to is known as long as the conversation"


def test_a_market_that_is_gone_keeps_nothing_for_ever(house: House) -> None:
    with transaction(house.engine) as session:
        session.execute(update(conversations).values(market="xx-XX"))
    purge(house.engine, house.tracker, house.erasure(), MARKETS, now=NOW + timedelta(days=366))

    assert house.contents()["conversations"] == []
