from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from actions.database import insert_if_new, open_engine, reading, transaction
from actions.tables import AuditRow, ProductRow, SubscriptionRow, TermsRow

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


def product(name: str) -> ProductRow:
    row: ProductRow = ProductRow(name=name, variants=[], prices={})
    return row


def test_a_transaction_that_fails_leaves_nothing_behind(engine: Engine) -> None:
    with pytest.raises(RuntimeError), transaction(engine) as session:
        session.add(product("Alba"))
        session.flush()
        raise RuntimeError
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(ProductRow)) == 0


def test_moments_come_back_in_utc_whatever_zone_they_had(engine: Engine) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    with transaction(engine) as session:
        session.add(AuditRow(at=there, method="m", subject="s", details={}))
    with reading(engine) as session:
        stored = session.scalars(select(AuditRow.at)).one()
    assert stored == NOW
    assert stored.tzinfo is UTC


def test_a_moment_without_a_zone_is_refused(engine: Engine) -> None:
    with pytest.raises(StatementError, match="time zone"), transaction(engine) as session:
        session.add(AuditRow(at=datetime(2026, 5, 4), method="m", subject="s", details={}))


def test_a_key_that_is_taken_is_told_and_changes_nothing(engine: Engine) -> None:
    row = {"email": "a@example.com", "market": "de-DE", "changed_at": NOW}
    with transaction(engine) as session:
        assert insert_if_new(session, SubscriptionRow.__table__, status="active", **row)
        assert not insert_if_new(session, SubscriptionRow.__table__, status="ended", **row)
        assert session.scalars(select(SubscriptionRow.status)).all() == ["active"]


def test_foreign_keys_are_checked(engine: Engine) -> None:
    with pytest.raises(IntegrityError), transaction(engine) as session:
        session.execute(
            text(
                "INSERT INTO invoices (order_id, number, issued_on, currency, total) "
                "VALUES (1, 'x', '2026-01-01', 'EUR', 1)"
            )
        )


def test_transactions_that_read_first_and_write_later_wait_for_each_other(engine: Engine) -> None:
    with transaction(engine) as session:
        session.add(ProductRow(name="Alba", variants=[], prices={"EUR": 0}))
    together = Barrier(4)

    def count_up() -> None:
        together.wait()
        for _ in range(10):
            with transaction(engine) as session:
                row = session.scalars(select(ProductRow).with_for_update()).one()
                row.prices = {"EUR": row.prices["EUR"] + 1}

    threads = [Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert session.scalars(select(ProductRow.prices)).one() == {"EUR": 40}


def test_sqlite_lets_others_read_while_one_writes(sqlite_engine: Engine) -> None:
    with transaction(sqlite_engine) as writer:
        writer.add(product("Alba"))
        writer.flush()
        with reading(sqlite_engine) as session:
            assert session.scalars(select(ProductRow)).all() == []


def test_sqlite_asks_to_write_when_a_transaction_first_reads(sqlite_engine: Engine) -> None:
    file = sqlite_engine.url.database
    assert file
    with transaction(sqlite_engine) as session:
        session.scalars(select(ProductRow)).all()
        other = sqlite3.connect(file, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_sqlite_is_set_up_for_several_processes(sqlite_engine: Engine) -> None:
    with reading(sqlite_engine) as session:
        found = {
            name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 10_000}


def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    with reading(open_engine(f"sqlite:///{tmp_path}/new/shop.db")) as session:
        assert session.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_all_common_forms_of_a_postgresql_url_are_understood(scheme: str) -> None:
    engine = open_engine(f"{scheme}://somebody:secret@localhost/shop")
    assert (engine.dialect.name, engine.dialect.driver) == ("postgresql", "psycopg2")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://root:hush@localhost/shop"])
def test_other_databases_are_refused_without_telling_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="SQLite file or PostgreSQL") as refusal:
        open_engine(url)
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize("amount", ["0.01", "59.90", "1299.00", "9999999999.99"])
def test_money_is_exact(engine: Engine, amount: str) -> None:
    values = {"market": "xx", "position": 0, "time_zone": "UTC", "currency": "EUR", "delivery": [], "return_days": 1}
    values |= {"refund_days": 1, "cancellation_fee": Decimal(0), "payment_methods": [], "free_from": Decimal(amount)}
    with transaction(engine) as session:
        session.execute(insert(TermsRow).values(**values))
    with reading(engine) as session:
        assert str(session.scalars(select(TermsRow.free_from)).one()) == amount


def test_a_server_that_is_away_is_an_operational_error() -> None:
    with pytest.raises(OperationalError), reading(open_engine("postgresql://127.0.0.1:1/shop")) as session:
        session.scalar(text("SELECT 1"))
