from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, inspect, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError, IntegrityError

from actions.database import metadata, open_engine, reading, transaction
from actions.tables import AuditRow, CustomerRow
from bot.migrations import differences, migrate

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 5, 4, tzinfo=UTC)


def test_the_migrated_tables_are_those_in_the_code(engine: Engine) -> None:
    assert differences(engine) == []


def test_a_missing_table_and_a_changed_column_are_told_as_differences(engine: Engine) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("DROP TABLE reviews"))
        connection.execute(text("ALTER TABLE mails ADD COLUMN more INTEGER"))
    assert {difference[0] for difference in differences(engine)} >= {"add_table", "remove_column"}


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
