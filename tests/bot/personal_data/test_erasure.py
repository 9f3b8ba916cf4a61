from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select, update

from actions.database import metadata, reading, transaction
from actions.tables import AuditRow, OrderRow
from bot.personal_data.erasure import Busy, empty_log
from bot.personal_data.places import ERASED, KEPT, Person
from bot.tables import conversations, erasures
from tests.bot.personal_data.people_for_tests import (
    ANNAS,
    EVAS,
    SAID,
    House,
    copy,
    files_of,
    open_house,
)
from tests.dialogue.shop_data import ANNA, EVA
from tests.killed import killed_at

OURS = [place.table.name for place in ERASED]


def counts(house: House) -> dict[str, int]:
    return {table: len(rows) for table, rows in house.contents().items()}


def test_the_test_puts_somebody_into_every_place(sqlite_house: House) -> None:
    empty = [name for name in (*OURS, "dialogue") if not counts(sqlite_house)[name]]
    assert empty == []


def test_all_of_hers_is_erased_and_nothing_of_others(house: House) -> None:
    before = house.contents()
    anna = house.find(sender="anna", email=ANNA)
    archived = house.find(sender=SAID)
    erased = house.erasure().erase(Person(anna.conversations, (*anna.transcripts, *archived.transcripts), anna.emails))
    after = house.contents()

    assert SAID not in repr(after)
    assert ANNAS not in repr(after)
    for table in (*OURS, "dialogue"):
        assert len(after[table]) * 2 == len(before[table]), table
        assert erased.rows[table] == len(after[table])
        assert set(map(repr, after[table])) < set(map(repr, before[table]))
    assert erased.releases == ["de-DE/3"]


def test_the_shops_records_stay(house: House) -> None:
    kept = [place.table.name for place in KEPT]
    before = {name: rows for name, rows in house.contents().items() if name in kept}
    house.erasure().erase(house.find(email=ANNA))

    assert {name: rows for name, rows in house.contents().items() if name in kept} == before
    with reading(house.engine) as session:
        assert session.scalars(select(OrderRow).where(OrderRow.email == ANNA)).first() is not None


def test_erasing_twice_ends_the_same(house: House) -> None:
    house.erasure().erase(house.find(email=ANNA))
    once = house.contents()
    again = house.erasure().erase(house.find(email=ANNA))

    assert again.rows == {}
    assert house.contents() == once


def test_the_audit_tells_what_was_erased_and_nothing_of_whom(house: House) -> None:
    house.erasure().erase(house.find(sender="anna", email=ANNA))
    with reading(house.engine) as session:
        row = session.scalars(select(AuditRow).where(AuditRow.method == "erase")).one()

    assert row.details["rows"]["messages"] == 1
    assert row.details["releases"] == ["de-DE/3"]
    for personal in (ANNAS, ANNA, "anna", SAID):
        assert personal not in f"{row.subject} {row.details}"


def test_killed_at_any_statement_and_begun_again_it_ends_the_same(sqlite_house: House, tmp_path: Path) -> None:
    furnished = str(sqlite_house.engine.url)
    sqlite_house.close()

    def erase(house: House) -> object:
        return house.erasure().erase(house.find(email=ANNA))

    def erase_in(url: str) -> object:
        return erase(open_house(url))

    def fresh(name: str) -> str:
        folder = tmp_path / name
        folder.mkdir()
        return copy(furnished, folder)

    undisturbed = open_house(fresh("undisturbed"))
    untouched = counts(undisturbed)
    erase(undisturbed)
    expected = counts(undisturbed)
    undisturbed.close()
    assert expected != untouched
    statement = 1
    while killed_at(statement, partial(erase_in, url := fresh(f"killed-{statement}"))):
        house = open_house(url)
        with transaction(house.engine) as session:  # what the dead process held is free after two minutes
            session.execute(update(conversations).values(lease_until=None))
        erase(house)
        assert counts(house) == expected, f"killed at statement {statement}"
        assert SAID not in repr(house.contents()["messages"])
        with reading(house.engine) as session:
            assert len(session.scalars(select(AuditRow).where(AuditRow.method == "erase")).all()) == 1
        house.close()
        statement += 1
    assert statement > len(ERASED), "each table's statement was once the last"


def test_what_was_begun_is_ended_by_whoever_erases_next(house: House) -> None:
    with transaction(house.engine) as session:
        begun = {"begun_at": datetime.now(UTC), "method": "erase", "transcripts": [], "releases": ["de-DE/3"]}
        session.execute(erasures.insert().values(**begun, conversations=[ANNAS]))
    done = house.erasure().erase(Person())

    assert done.rows["messages"] == 1
    assert done.releases == ["de-DE/3"]
    assert house.contents()["erasures"] == []


def test_a_turn_under_way_is_waited_for(house: House) -> None:
    with transaction(house.engine) as session:
        lease = {"lease_by": "an edge", "lease_until": datetime.now(UTC) + timedelta(minutes=1)}
        session.execute(update(conversations).values(lease))
    with pytest.raises(Busy):
        house.erasure(waits=0.1).erase(house.find(sender="anna"))
    assert len(house.contents()["messages"]) == 2


def test_nothing_of_it_is_left_in_the_files(sqlite_house: House) -> None:
    url = str(sqlite_house.engine.url)
    assert any(SAID.encode() in file.read_bytes() for file in files_of(url))
    anna, archived = sqlite_house.find(email=ANNA), sqlite_house.find(sender=SAID)
    sqlite_house.erasure().erase(Person(anna.conversations, (*anna.transcripts, *archived.transcripts)))
    for engine in (sqlite_house.engine, sqlite_house.tracker.engine):
        assert engine is not None
        empty_log(engine)

    assert [file.name for file in files_of(url) if SAID.encode() in file.read_bytes()] == []


def test_an_email_finds_what_is_proved_and_not_who_merely_types_it(sqlite_house: House) -> None:
    # Eva has typed an order's number and her own e-mail, which do not belong together; the shop has signed hers.
    assert sqlite_house.find(email=EVA).conversations == (EVAS,)
    with transaction(sqlite_house.engine) as session:
        session.execute(metadata.tables["identities"].delete())
        session.execute(metadata.tables["messages"].update().values(text=f"is {EVA} known? or {ANNA}?"))
    assert sqlite_house.find(email=EVA).conversations == ()
    with transaction(sqlite_house.engine) as session:
        these = metadata.tables["messages"].c.conversation_id == ANNAS
        session.execute(metadata.tables["messages"].update().where(these).values(text=f"204511, {ANNA.upper()}"))
    assert sqlite_house.find(email=ANNA).conversations == (ANNAS,)


def test_a_customers_other_conversations_are_found_by_the_shops_id(sqlite_house: House) -> None:
    with transaction(sqlite_house.engine) as session:
        session.execute(metadata.tables["identities"].update().values(customer_id="c-1"))
    assert sqlite_house.find(sender="anna").conversations == (ANNAS, EVAS)


def test_a_channel_narrows_whom_a_name_means(sqlite_house: House) -> None:
    assert sqlite_house.find(sender="anna", channel="telegram").conversations == ()
    assert sqlite_house.find(sender=ANNAS).conversations == (ANNAS,)
    assert sqlite_house.find(sender="nobody").conversations == ()
