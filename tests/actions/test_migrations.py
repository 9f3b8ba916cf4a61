from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, inspect, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError, IntegrityError

from actions.database import metadata, open_engine, reading, transaction
from actions.tables import AuditRow, CustomerRow
from bot.migrations import differences, migrate
from bot.personal_data.erasure import empty_log, leave_no_trace
from tests.killed import killed_at

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 5, 4, tzinfo=UTC)
SAID = "zwiebelkuchen"
TRANSCRIPT = "INSERT INTO transcripts VALUES (:of, 'csv', :name, 'ada', 'de-DE', NULL, 'yes', :at)"
MESSAGE = (
    "INSERT INTO transcript_messages VALUES (:id, :of, :place, 'customer', :said, 'de', :at, :place, 'greet', 0.5, "
    "'neutral', 0.1, 'de-DE/1')"
)
LABEL = "INSERT INTO labels VALUES (:id + 1, :id, 'greet', NULL, 'ada', 'person', :at, 'de-DE/1')"
SKIP = "INSERT INTO review_skips VALUES (:id, 'ada', :at)"


def test_the_migrated_tables_are_those_in_the_code(engine: Engine) -> None:
    assert differences(engine) == []


def test_a_missing_table_and_a_changed_column_are_told_as_differences(engine: Engine) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("DROP TABLE reviews"))
        connection.execute(text("ALTER TABLE mails ADD COLUMN more INTEGER"))
    assert {difference[0] for difference in differences(engine)} >= {"add_table", "remove_column"}


def test_the_ids_that_are_never_given_again_are_those_in_the_code(sqlite_engine: Engine) -> None:
    with reading(sqlite_engine) as session:
        made = session.scalars(text("SELECT name FROM sqlite_master WHERE sql LIKE '% AUTOINCREMENT%'"))
        meant = [name for name, table in metadata.tables.items() if table.dialect_options["sqlite"]["autoincrement"]]
        assert sorted(made) == sorted(meant)


def test_rasas_table_is_left_alone(engine: Engine) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("CREATE TABLE events (id INTEGER PRIMARY KEY)"))
    assert differences(engine) == []
    assert "events" not in metadata.tables


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    with transaction(engine) as session:
        session.add(CustomerRow(email="a@example.com", kind="private", market="de-DE", created_at=NOW))
    migrate(engine.url.render_as_string(hide_password=False))
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(CustomerRow)) == 1


def test_two_that_migrate_at_once_both_succeed(database_url: str) -> None:
    # Processes: within one, Alembic runs once at a time.
    program = f"from bot.migrations import migrate; migrate({database_url!r})"
    both = [subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    engine = open_engine(database_url)
    assert inspect(engine).has_table("orders")
    engine.dispose()


@pytest.fixture
def of_revision_7(tmp_path: Path) -> str:
    """Give the URL of a SQLite database with the conversations 3 and 7, the messages of both labelled and skipped."""
    url = f"sqlite:///{tmp_path}/of-revision-7.db"
    migrate(url, revision="0007_chores")
    engine = open_engine(url)
    with transaction(engine) as session:
        for number in (3, 7):
            conversation = {"of": number, "name": f"{number}", "at": "2026-05-04 00:00:00.000000"}
            messages = [
                conversation | {"id": 1000 * number + place, "place": place, "said": f"{SAID} {number}"}
                for place in range(100)
            ]
            session.execute(text(TRANSCRIPT), conversation)
            for statement in (MESSAGE, LABEL, SKIP):
                session.execute(text(statement), messages)
    engine.dispose()
    return url


def test_transcripts_that_are_there_keep_their_ids_and_all_that_hangs_on_them(of_revision_7: str) -> None:
    before = _learned_from(of_revision_7)
    assert [len(rows) for rows in before.values()] == [2, 200, 200, 200]
    migrate(of_revision_7)
    assert _learned_from(of_revision_7) == before
    engine = open_engine(of_revision_7)
    assert differences(engine) == []
    with reading(engine) as session:
        assert session.execute(text("PRAGMA foreign_key_check")).all() == []
    engine.dispose()


def test_what_hangs_on_a_transcript_still_goes_with_it_and_its_ids_are_not_given_again(of_revision_7: str) -> None:
    before = _learned_from(of_revision_7)
    migrate(of_revision_7)
    engine = open_engine(of_revision_7)
    with transaction(engine) as session:
        session.execute(text("DELETE FROM transcripts WHERE id = 7"))
    assert _learned_from(of_revision_7) == {table: rows[: len(rows) // 2] for table, rows in before.items()}
    another = {"name": "another", "at": "2026-05-05 00:00:00.000000"}
    message = {"of": 8, "id": None, "at": another["at"], "place": 0, "said": "danke"}
    with transaction(engine) as session:
        assert session.execute(text(TRANSCRIPT), another | {"of": None}).lastrowid == 8
        assert session.execute(text(MESSAGE), message).lastrowid == 7100
    engine.dispose()


def test_what_is_erased_after_a_migration_does_not_stand_in_the_pages_that_it_left(of_revision_7: str) -> None:
    event.listen(Engine, "connect", _leave_traces)
    try:
        migrate(of_revision_7)
    finally:
        event.remove(Engine, "connect", _leave_traces)
    engine = open_engine(of_revision_7)
    leave_no_trace(engine)
    with transaction(engine) as session:
        session.execute(text("DELETE FROM transcripts WHERE id = 7"))
    empty_log(engine)
    engine.dispose()
    left = Path(of_revision_7.removeprefix("sqlite:///")).read_bytes()
    assert f"{SAID} 3".encode() in left
    assert f"{SAID} 7".encode() not in left


def test_a_migration_that_is_killed_at_any_statement_has_changed_nothing(of_revision_7: str, tmp_path: Path) -> None:
    before = _learned_from(of_revision_7)
    statement = 1
    while killed_at(
        statement, partial(migrate, url := _copied(of_revision_7, f"sqlite:///{tmp_path}/killed-at-{statement}.db"))
    ):
        assert _learned_from(url) == before, f"killed at statement {statement}"
        engine = open_engine(url)
        with reading(engine) as session:
            assert session.scalar(text("SELECT version_num FROM alembic_version")) == "0007_chores"
        engine.dispose()
        statement += 1
    assert statement > 20, "each table was once half copied"
    assert _learned_from(url) == before


def _leave_traces(connection: Any, _: Any) -> None:
    # As SQLite does unless it was built otherwise.
    connection.execute("PRAGMA secure_delete = OFF")


def _learned_from(url: str) -> dict[str, list[tuple[Any, ...]]]:
    engine = open_engine(url)
    with reading(engine) as session:
        tables = ("transcripts", "transcript_messages", "labels", "review_skips")
        found = {table: session.execute(text(f"SELECT * FROM {table} ORDER BY 1")).all() for table in tables}  # noqa: S608
    engine.dispose()
    return {table: [tuple(row) for row in rows] for table, rows in found.items()}


def _copied(original: str, url: str) -> str:
    shutil.copyfile(original.removeprefix("sqlite:///"), url.removeprefix("sqlite:///"))
    return url


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET method = 'other'", "DELETE FROM audit"],
)
def test_the_audit_can_only_be_appended_to(engine: Engine, statement: str) -> None:
    _write_audit(engine)
    _write_audit(engine)
    with pytest.raises(DatabaseError, match="append-only"), transaction(engine) as session:
        session.execute(text(statement))
    with reading(engine) as session:
        assert session.scalars(select(AuditRow.method)).all() == ["cancel_order", "cancel_order"]


def test_the_audit_cannot_be_emptied_or_replaced_in_the_databases_own_ways(engine: Engine) -> None:
    _write_audit(engine)
    ways = {
        "postgresql": "TRUNCATE audit",
        "sqlite": "INSERT OR REPLACE INTO audit SELECT id, at, 'other', subject, details FROM audit",
    }
    with pytest.raises(DatabaseError, match="append-only"), transaction(engine) as session:
        session.execute(text(ways[engine.dialect.name]))


def test_a_status_that_the_code_does_not_know_is_refused(engine: Engine) -> None:
    with pytest.raises(IntegrityError), transaction(engine) as session:
        session.add(CustomerRow(email="a@example.com", kind="royal", market="de-DE", created_at=NOW))


def _write_audit(engine: Engine) -> None:
    with transaction(engine) as session:
        session.add(AuditRow(at=NOW, method="cancel_order", subject="order:1", details={}))
