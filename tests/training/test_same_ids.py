"""Ids that are there already: those of another help desk, or of conversations taken in under the wrong market."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.engine import Engine

from actions.database import open_engine, reading, transaction
from bot.tables import consents, conversations, messages
from tests.training.test_transcripts import (
    AT,
    MARKETS,
    _conversation,
    _message,
    chatwoot,
    texts,
    write_json,
    write_lines,
)
from training import transcripts as ingesting
from training.__main__ import main
from training.formats import ArchiveError, own
from training.labels import labelled_messages
from training.store import Store
from training.tables import labels, transcript_messages, transcripts
from training.transcripts import READERS, Archive, Ingested, ingest

PHONE = "meine nummer ist 030 23125 000"  # of Berlin, and no number of the United States


def take_in(
    engine: Engine, path: Path, market: str, *, reader: str = "csv", source: str = "csv", move: bool = False
) -> Ingested:
    archive = Archive(partial(ingesting._file_records, path, READERS[reader]))
    return ingest(archive, Store(engine, "s" * 32), source=source, market=MARKETS[market], move=move)


def markets_of(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return list(session.scalars(select(transcripts.c.market).order_by(transcripts.c.id)))


def ids_of(engine: Engine) -> tuple[set[int], set[int]]:
    with reading(engine) as session:
        return set(session.scalars(select(transcripts.c.id))), set(session.scalars(select(transcript_messages.c.id)))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(
        "conversation,message_id,text,consent,intent,at\n"
        f"1,1,{PHONE},yes,edit_account,{AT}\n1,2,wo ist mein paket,yes,,{AT}\n2,3,danke,yes,thank,{AT}\n",
        encoding="utf-8",
    )
    return path


def test_two_help_desks_with_the_same_ids_are_both_taken_in_whole_when_they_are_named(
    engine: Engine, tmp_path: Path
) -> None:
    for name in ("berlin", "vienna"):
        path = write_json(tmp_path / name, [chatwoot(1), chatwoot(2)])
        done = take_in(engine, path, "de-DE", reader="chatwoot", source=name)
        assert (done.conversations, done.messages, done.duplicates) == (2, 4, 0)
    again = take_in(engine, path, "de-DE", reader="chatwoot", source="vienna")
    assert (again.conversations, again.messages, again.duplicates) == (0, 0, 4)


def test_a_person_is_forgotten_in_each_of_the_help_desks_by_its_name(engine: Engine, tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", [chatwoot(1)])
    for name in ("berlin", "vienna"):
        take_in(engine, path, "de-DE", reader="chatwoot", source=name)
    withdrawn = write_json(tmp_path / "b.json", [chatwoot(1, consent=False)])
    take_in(engine, withdrawn, "de-DE", reader="chatwoot", source="vienna")
    with reading(engine) as session:
        assert session.scalars(select(transcripts.c.source)).all() == ["berlin"]


def test_what_is_erased_leaves_its_ids_to_nobody_for_releases_still_name_it_by_them(
    engine: Engine, tmp_path: Path
) -> None:
    take_in(engine, write_json(tmp_path / "a.json", [chatwoot(1)]), "de-DE", reader="chatwoot", source="berlin")
    its_transcripts, its_messages = ids_of(engine)
    assert Store(engine, "s" * 32).erase(source="berlin", conversations=["1"]) == sorted(its_transcripts)
    take_in(engine, write_json(tmp_path / "b.json", [chatwoot(2)]), "de-DE", reader="chatwoot", source="berlin")
    others_transcripts, others_messages = ids_of(engine)
    assert others_transcripts
    assert not its_transcripts & others_transcripts
    assert not its_messages & others_messages


def test_an_id_that_stands_for_another_text_is_counted_and_said(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _installed(sqlite_engine, tmp_path, monkeypatch)
    for name in ("berlin", "vienna"):
        said = [{"conversation": 1, "id": n, "text": f"{name} {n}", "consent": True} for n in (1, 2)]
        path = write_lines(tmp_path / name, [*said, {"conversation": 1, "id": 3, "text": "the same", "consent": True}])
        assert main(["ingest", str(path), "--format", "jsonl", "--market", "de-DE"]) == 0
        told = capsys.readouterr().err
        assert ("2 of the duplicates have the id of a message with another text" in told) is (name == "vienna")
    assert main(["ingest", str(path), "--format", "jsonl", "--market", "de-DE", "--source", "vienna"]) == 0
    assert "another text" not in capsys.readouterr().err
    assert texts(sqlite_engine) == ["berlin 1", "berlin 2", "the same", "vienna 1", "vienna 2", "the same"]


@pytest.mark.parametrize("source", ["own", "Berlin", "x" * 21, "a b", "-"])
def test_a_source_that_cannot_be_one_is_bad_input(rows: Path, capsys: pytest.CaptureFixture[str], source: str) -> None:
    assert main(["ingest", str(rows), "--format", "csv", "--market", "de-DE", f"--source={source}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_conversations_that_stand_under_another_market_are_refused_with_what_to_do_and_nothing_is_stored(
    sqlite_engine: Engine,
    rows: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _installed(sqlite_engine, tmp_path, monkeypatch)
    command = ["ingest", str(rows), "--format", "csv", "--market"]
    assert main([*command, "en-US"]) == 0
    rows.write_text(rows.read_text(encoding="utf-8") + f"3,4,noch eine,yes,,{AT}\n", encoding="utf-8")
    capsys.readouterr()
    assert main([*command, "de-DE"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "2 under en-US already" in told.err
    assert "add --move" in told.err
    assert "add --source NAME" in told.err
    assert markets_of(sqlite_engine) == ["en-US", "en-US"]
    assert main([*command, "de-DE", "--move"]) == 0
    told = capsys.readouterr()
    assert "moved: 2 conversations" in told.err
    assert '"messages": 1, "duplicates": 3' in told.out
    assert markets_of(sqlite_engine) == ["de-DE"] * 3


def test_what_is_moved_is_redacted_as_its_market_wants_and_keeps_its_labels(engine: Engine, rows: Path) -> None:
    take_in(engine, rows, "en-US")
    wrong = labelled_messages(engine, "en-US")
    assert {row.intent for row in wrong} == {"edit_account", "thank"}
    assert "<phone>" not in texts(engine)[0]
    assert take_in(engine, rows, "de-DE", move=True).moved == 2
    assert texts(engine)[0] == "meine nummer ist <phone>"
    with reading(engine) as session:
        assert set(session.scalars(select(transcript_messages.c.language))) == {"de"}
        assert session.scalar(select(func.count()).select_from(labels)) == 2
    moved = labelled_messages(engine, "de-DE")
    assert [(row.message, row.intent) for row in moved] == [(row.message, row.intent) for row in wrong]
    assert labelled_messages(engine, "en-US") == []
    # A market that was retrained in between would take labels from before that for learned.
    assert min(row.labelled_at for row in moved) > max(row.labelled_at for row in wrong)
    assert take_in(engine, rows, "de-DE", move=True).moved == 0


def test_a_long_conversation_is_moved_to_its_end(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "BATCH", 5)
    said = [{"conversation": "c", "text": f"{n}: {PHONE}", "consent": True} for n in range(12)]
    path = write_lines(tmp_path / "a.jsonl", said)
    take_in(sqlite_engine, path, "en-US", reader="jsonl")
    assert take_in(sqlite_engine, path, "de-DE", reader="jsonl", move=True).moved == 1
    assert all("<phone>" in text for text in texts(sqlite_engine))


def test_a_withdrawal_is_obeyed_only_once_it_is_clear_whose_it_is(sqlite_engine: Engine, rows: Path) -> None:
    take_in(sqlite_engine, rows, "en-US")
    rows.write_text("conversation,message_id,text,consent\n1,1,nein danke,no\n", encoding="utf-8")
    with pytest.raises(ArchiveError, match="1 under en-US"):
        take_in(sqlite_engine, rows, "de-DE")
    assert len(texts(sqlite_engine)) == 3
    take_in(sqlite_engine, rows, "de-DE", move=True)
    assert texts(sqlite_engine) == ["danke"]


def test_what_a_file_leaves_out_for_want_of_consent_is_no_reason_to_refuse_it(
    sqlite_engine: Engine, rows: Path
) -> None:
    take_in(sqlite_engine, rows, "en-US")
    rows.write_text("conversation,message_id,text,consent\n1,1,danke,\n7,8,hallo,yes\n", encoding="utf-8")
    assert take_in(sqlite_engine, rows, "de-DE").messages == 1


def test_the_bots_own_conversation_follows_its_customer_into_another_market(engine: Engine) -> None:
    store = Store(engine, "s" * 32)
    now = datetime(2026, 5, 4, tzinfo=UTC)
    with transaction(engine) as session:
        session.execute(conversations.insert().values(_conversation("a", now)))
        session.execute(messages.insert().values(_message("a", now)))
        session.execute(consents.insert().values(conversation_id="a", given=True, version="1", at=now))
    for market in ("de-DE", "en-US"):
        with transaction(engine) as session:
            session.execute(conversations.update().values(market=market))
        archive = Archive(lambda _, market=market: own.read(engine, market))
        ingest(archive, store, source="own", market=MARKETS[market])
        assert markets_of(engine) == [market]
    assert len(texts(engine)) == 1


def test_a_database_that_fills_up_is_said_and_what_is_stored_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sqlite_engine: Engine
) -> None:
    monkeypatch.setattr(ingesting, "BATCH", 20)
    said = [{"conversation": f"c{n // 2}", "text": f"{n} " + "words " * 400, "consent": True} for n in range(120)]
    path = write_lines(tmp_path / "a.jsonl", said)
    _installed(sqlite_engine, tmp_path, monkeypatch)
    with sqlite_engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    def small_engine(url: str) -> Engine:
        engine = open_engine(url)
        event.listen(engine, "connect", lambda dbapi, _: dbapi.execute(f"PRAGMA max_page_count = {pages + 60}"))
        return engine

    with monkeypatch.context() as patch:
        patch.setattr("training.store.open_engine", small_engine)
        assert main(["ingest", str(path), "--format", "jsonl", "--market", "de-DE"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].startswith("The disk is full (database or disk is full). What was taken in")
    stored = texts(sqlite_engine)
    assert 0 < len(stored) < len(said)
    with reading(sqlite_engine) as session:
        empty = select(transcripts.c.id).where(transcripts.c.id.not_in(select(transcript_messages.c.transcript_id)))
        assert session.execute(empty).all() == []
    assert main(["ingest", str(path), "--format", "jsonl", "--market", "de-DE"]) == 0
    assert f'"messages": {len(said) - len(stored)}, "duplicates": {len(stored)}' in capsys.readouterr().out


def _installed(engine: Engine, folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("DATABASE_URL", str(engine.url))
    patch.setenv("POLYDESK_VAR", str(folder / "var"))
