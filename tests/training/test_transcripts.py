"""Taking archives in: every format, consent, duplicates, broken records, bounded memory; only redacted text is kept."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from bot.tables import consents, conversations, messages
from nlu.markets import load_markets
from training.formats import Talk, own
from training.store import Added, Store, TranscriptMessage
from training.tables import labels, transcript_messages, transcripts
from training.transcripts import BATCH, READERS, Archive, Ingested, _file_records, ingest

MARKETS = load_markets()
AT = "2026-05-04T09:12:00Z"


def take_in(engine: Engine, path: Path, source: str, *, market: str = "en-US", basis: str | None = None) -> Ingested:
    archive = Archive(partial(_file_records, path, READERS[source]))
    return ingest(archive, Store(engine, "s" * 32), source=source, market=MARKETS[market], legal_basis=basis)


def texts(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return list(session.scalars(select(transcript_messages.c.text).order_by(transcript_messages.c.id)))


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def write_lines(path: Path, rows: list[Any]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def chatwoot(number: int, *, consent: Any = True) -> dict[str, Any]:
    return {
        "id": number,
        "meta": {"sender": {"id": 40 + number, "name": "Ada Byron", "type": "contact"}},
        "custom_attributes": {} if consent is None else {"consent": consent},
        "messages": [
            {
                "id": 10 * number,
                "content": f"where is order {50000 + number}",
                "message_type": 0,
                "created_at": 1767600000,
            },
            {
                "id": 10 * number + 1,
                "content": "one moment",
                "message_type": 1,
                "sender": {"type": "user"},
                "private": False,
            },
            {"id": 10 * number + 2, "content": "knows her from before", "message_type": 1, "private": True},
            {"id": 10 * number + 3, "content": "Conversation was resolved", "message_type": 2},
        ],
    }


def ticket(number: int, *, tags: list[str]) -> dict[str, Any]:
    return {
        "id": number,
        "requester_id": 9,
        "tags": tags,
        "created_at": AT,
        "comments": [
            {"id": number * 7, "author_id": 9, "body": "call me at (212) 555-0142", "public": True, "created_at": AT},
            {"id": number * 7 + 1, "author_id": 3, "body": "we will", "public": True, "created_at": AT},
            {"id": number * 7 + 2, "author_id": 3, "body": "rude", "public": False, "created_at": AT},
        ],
    }


def tracker(name: str, *, consent: Any = True) -> dict[str, Any]:
    return {
        "sender_id": name,
        "slots": {"consent": consent},
        "events": [
            {"event": "action", "name": "action_session_start"},
            {
                "event": "user",
                "text": "I am at joe@example.com",
                "timestamp": 1767600000.5,
                "message_id": f"{name}-1",
                "parse_data": {"intent": {"name": "edit_account", "confidence": 0.8}, "language": {"code": "en"}},
            },
            {"event": "bot", "text": "thanks", "timestamp": 1767600001.5},
            {"event": "user", "text": "/affirm", "timestamp": 1767600002.5},
        ],
    }


EXPORTS: dict[str, Any] = {
    "chatwoot list": ("chatwoot", [chatwoot(1), chatwoot(2)]),
    "chatwoot API": ("chatwoot", {"data": {"meta": {}, "payload": [chatwoot(1), chatwoot(2)]}}),
    "zendesk tickets": ("zendesk", {"tickets": [ticket(1, tags=["consent"]), ticket(2, tags=["vip", "consent"])]}),
    "rasa list": ("rasa", [tracker("a"), tracker("b")]),
}


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("lines", [False, True], ids=["json", "lines"])
def test_an_export_is_read_whether_it_is_one_json_or_json_lines(
    sqlite_engine: Engine, tmp_path: Path, name: str, lines: bool
) -> None:
    source, content = EXPORTS[name]
    records = content if isinstance(content, list) else next(iter(content.values()))
    records = records if isinstance(records, list) else records["payload"]
    path = write_lines(tmp_path / "a.json", records) if lines else write_json(tmp_path / "a.json", content)
    done = take_in(sqlite_engine, path, source)
    assert (done.conversations, done.messages, done.without_consent, done.rejected) == (2, 4, 0, [])


def test_one_tracker_alone_is_an_export_too(sqlite_engine: Engine, tmp_path: Path) -> None:
    done = take_in(sqlite_engine, write_json(tmp_path / "one.json", tracker("a")), "rasa")
    assert (done.conversations, done.messages) == (1, 2)
    with reading(sqlite_engine) as session:
        row = session.execute(select(transcript_messages)).first()
    assert row is not None
    assert (row.intent, row.confidence, row.language) == ("edit_account", 0.8, "en")


def test_zendesk_chats_are_read_with_who_said_what(sqlite_engine: Engine, tmp_path: Path) -> None:
    chat = {
        "id": "1712.49",
        "type": "chat",
        "visitor": {"id": "7.1"},
        "tags": ["consent"],
        "history": [
            {"type": "chat.memberjoin", "timestamp": AT},
            {"type": "chat.msg", "sender_type": "Visitor", "msg": "hello", "timestamp": AT},
            {"type": "chat.msg", "sender_type": "Agent", "msg": "hi there", "timestamp": AT},
        ],
    }
    take_in(sqlite_engine, write_json(tmp_path / "chats.json", {"chats": [chat]}), "zendesk")
    with reading(sqlite_engine) as session:
        rows = session.execute(select(transcript_messages.c.speaker, transcript_messages.c.text)).all()
    assert [tuple(row) for row in rows] == [("customer", "hello"), ("agent", "hi there")]


def test_only_redacted_text_and_pseudonyms_are_stored(engine: Engine, tmp_path: Path) -> None:
    take_in(engine, write_json(tmp_path / "a.json", [tracker("joe@example.com")]), "rasa")
    assert texts(engine) == ["I am at <email>", "thanks"]
    with reading(engine) as session:
        stored = [
            str(tuple(row)) for table in (transcripts, transcript_messages) for row in session.execute(select(table))
        ]
    assert not any("joe" in row for row in stored)


def test_the_same_file_twice_adds_nothing(engine: Engine, tmp_path: Path) -> None:
    rows = [{"conversation": f"c{n % 30}", "text": f"message {n}", "consent": "yes", "at": AT} for n in range(120)]
    path = write_lines(tmp_path / "a.jsonl", rows)
    first, second = take_in(engine, path, "jsonl"), take_in(engine, path, "jsonl")
    assert (first.conversations, first.messages, first.duplicates) == (30, 120, 0)
    assert (second.conversations, second.messages, second.duplicates) == (0, 0, 120)
    assert len(texts(engine)) == 120


def test_a_longer_export_of_the_same_conversation_adds_what_is_new(sqlite_engine: Engine, tmp_path: Path) -> None:
    rows = [{"conversation": "c", "id": n, "text": f"message {n}", "consent": True} for n in range(5)]
    take_in(sqlite_engine, write_lines(tmp_path / "a.jsonl", rows[:3]), "jsonl")
    done = take_in(sqlite_engine, write_lines(tmp_path / "b.jsonl", rows), "jsonl")
    assert (done.conversations, done.messages, done.duplicates) == (0, 2, 3)


@pytest.mark.parametrize("consent", [None, False, "no", "", "perhaps"])
def test_without_a_yes_nothing_of_a_conversation_is_stored(sqlite_engine: Engine, tmp_path: Path, consent: Any) -> None:
    done = take_in(
        sqlite_engine, write_json(tmp_path / "a.json", [chatwoot(1, consent=consent), chatwoot(2)]), "chatwoot"
    )
    assert (done.conversations, done.without_consent) == (1, 1)
    assert all("50001" not in text for text in texts(sqlite_engine))
    with reading(sqlite_engine) as session:
        assert session.scalar(select(func.count()).select_from(transcripts)) == 1


def test_the_last_statement_of_a_conversation_counts_for_all_of_it(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "conversation,text,consent\nlate yes,one,\nwithdrawn,two,yes\nlate yes,three,yes\nwithdrawn,four,no\n",
        encoding="utf-8",
    )
    done = take_in(sqlite_engine, path, "csv")
    assert texts(sqlite_engine) == ["one", "three"]
    assert (done.conversations, done.messages, done.without_consent) == (1, 2, 1)


def test_a_legal_basis_lets_silence_in_but_not_a_refusal_and_is_kept(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", [chatwoot(1, consent=None), chatwoot(2, consent=False)])
    done = take_in(sqlite_engine, path, "chatwoot", basis="contract of 2026-01, section 4")
    assert (done.conversations, done.without_consent) == (1, 1)
    with reading(sqlite_engine) as session:
        assert session.scalars(select(transcripts.c.consent)).all() == ["contract of 2026-01, section 4"]


def test_broken_rows_of_a_csv_are_named_by_line_and_the_rest_is_taken(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b"conversation,speaker,text,at,consent\n"
        b'c,customer,"two\nlines",2026-05-04T09:12:00Z,yes\n'  # lines 2 and 3
        b"c,customer,,2026-05-04,yes\n"  # 4: no text
        b"c,customer,late,yesterday,yes\n"  # 5: no time
        b"c,parrot,hello,2026-05-04,yes\n"  # 6: who?
        b"c,customer,bad \xff byte,2026-05-04,yes\n"  # 7: not UTF-8
        b"c,customer,too,2026-05-04,yes,many\n"  # 8: one field too many
        b"c,customer\n"  # 9: too few
        b"c,agent,fine,2026-05-04,\n"
    )
    done = take_in(sqlite_engine, path, "csv")
    assert [broken.record for broken in done.rejected] == [4, 5, 6, 7, 8, 9]
    assert all(broken.reason for broken in done.rejected)
    assert texts(sqlite_engine) == ["two\nlines", "fine"]


def test_broken_lines_and_records_are_named_and_the_rest_is_taken(sqlite_engine: Engine, tmp_path: Path) -> None:
    good = tracker("a")
    rows = [good, "{broken", "[1, 2]", {"sender_id": "b"}, {"events": []}, {**good, "sender_id": "c"}]
    done = take_in(sqlite_engine, write_lines(tmp_path / "a.jsonl", rows), "rasa")
    assert [broken.record for broken in done.rejected] == [2, 3, 4, 5]
    assert done.conversations == 2


def test_an_export_that_breaks_off_keeps_what_was_before_and_says_so(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", [chatwoot(1), chatwoot(2), chatwoot(3)])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.8)])
    done = take_in(sqlite_engine, path, "chatwoot")
    assert done.conversations == 2
    assert [broken.record for broken in done.rejected] == [3]


def test_no_rejection_repeats_what_a_customer_wrote(sqlite_engine: Engine, tmp_path: Path) -> None:
    rows = [{"conversation": "c", "text": ["secret words"], "consent": True}, '{"text": "secret words']
    rows.append({"conversation": "c", "text": "x", "speaker": "secret words", "consent": True})
    done = take_in(sqlite_engine, write_lines(tmp_path / "a.jsonl", rows), "jsonl")
    assert len(done.rejected) == 3
    assert not any("secret" in broken.reason for broken in done.rejected)


def test_labels_in_an_archive_are_kept_with_who_gave_them(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,intent,sentiment,annotator,consent\nhi,greet,neutral,mia,yes\n", encoding="utf-8")
    take_in(sqlite_engine, path, "csv")
    with reading(sqlite_engine) as session:
        row = session.execute(select(labels)).one()
    assert (row.intent, row.sentiment, row.labeller, row.source) == ("greet", "neutral", "mia", "file")


def test_the_bots_own_conversations_are_taken_with_what_it_understood(engine: Engine) -> None:
    now = datetime(2026, 5, 4, tzinfo=UTC)
    with transaction(engine) as session:
        for name, given in (("a", True), ("b", False), ("c", None)):
            session.execute(conversations.insert().values(_conversation(name, now)))
            session.execute(messages.insert().values(_message(name, now)))
            if given is not None:
                session.execute(consents.insert().values(conversation_id=name, given=given, version="1", at=now))
    store = Store(engine, "s" * 32)
    archive = Archive(lambda _: own.read(engine, "de-DE"))
    done = ingest(archive, store, source="own", market=MARKETS["de-DE"])
    assert (done.conversations, done.messages, done.without_consent) == (1, 1, 2)
    with reading(engine) as session:
        row = session.execute(select(transcript_messages)).one()
    assert (row.text, row.intent, row.release) == ("wo ist <order_number>", "track_order", "de-DE@1")
    assert store.erase(source="own", conversations=["a"]) == [row.transcript_id]
    assert texts(engine) == []


def _conversation(name: str, now: datetime) -> dict[str, Any]:
    needed = {"id": name, "channel": "rest", "account": "", "sender": name, "market": "de-DE", "status": "bot"}
    return {**needed, "last_number": 1, "created_at": now, **_defaults(conversations, now)}


def _message(name: str, now: datetime) -> dict[str, Any]:
    needed = {"conversation_id": name, "channel": "rest", "account": name, "message_id": "m", "number": 1}
    said = {"text": "wo ist 52445", "market": "de-DE", "state": "done", "received_at": now}
    known = {"intent": "track_order", "language": "de", "adapter": "de-DE@1", "button": False}
    return {**_defaults(messages, now), **needed, **said, **known}


def _defaults(table: Any, now: datetime) -> dict[str, Any]:
    """Values for columns that other parts add and that must not be empty."""
    fill = {"kind": "text", "attempts": 0, "status_at": now}
    return {name: value for name, value in fill.items() if name in table.c}


def test_memory_stays_bounded_for_an_archive_of_fifty_thousand_messages(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["conversation", "text", "consent"])
        writer.writerows([f"c{n // 25}", f"{n} words that are said " * 8, "yes"] for n in range(50_000))
    tracemalloc.start()
    with path.open("rb") as file:
        count = sum(isinstance(record, Talk) for record in READERS["csv"](file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert path.stat().st_size > 8_000_000
    assert peak < 1_000_000


def test_a_list_of_ten_thousand_conversations_is_read_one_by_one(tmp_path: Path) -> None:
    path = write_json(tmp_path / "long.json", {"data": {"payload": [chatwoot(n) for n in range(1, 10_001)]}})
    tracemalloc.start()
    with path.open("rb") as file:
        count = sum(isinstance(record, Talk) for record in READERS["chatwoot"](file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 3_000_000 < path.stat().st_size


class Counting(Store):
    """A store that remembers how many messages it was given at a time."""

    sizes: ClassVar[list[int]] = []

    def add(self, messages: Sequence[TranscriptMessage], *, source: str, market: str) -> Added:
        self.sizes.append(len(messages))
        return super().add(messages, source=source, market=market)


def test_messages_are_stored_in_batches_however_many_there_are(sqlite_engine: Engine, tmp_path: Path) -> None:
    rows = [{"conversation": f"c{n // 9}", "text": f"hello {n}", "consent": 1} for n in range(1100)]
    archive = Archive(partial(_file_records, write_lines(tmp_path / "a.jsonl", rows), READERS["jsonl"]))
    store = Counting(sqlite_engine, "s" * 32)
    assert ingest(archive, store, source="jsonl", market=MARKETS["en-US"]).messages == 1100
    assert max(store.sizes) == BATCH
    assert len(store.sizes) == 3


def test_the_command_prints_the_contracts_object_alone(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": "hi", "consent": True}, {"text": "", "consent": True}])
    done = _command(sqlite_engine, tmp_path, str(path), "--format", "jsonl", "--market", "en-US")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "conversations": 1,
        "messages": 1,
        "duplicates": 0,
        "without_consent": 0,
        "rejected": [{"record": 2, "reason": "the text is empty"}],
    }
    assert "messages" in done.stderr  # the progress bar's name


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        ("", ["--format", "csv", "--market", "en-US"]),
        ("a,b\n1,2\n", ["--format", "csv", "--market", "en-US"]),
        ("not json", ["--format", "chatwoot", "--market", "en-US"]),
        ("text\nhi\n", ["--format", "csv", "--market", "xx-XX"]),
    ],
)
def test_a_file_that_is_no_archive_is_bad_input(
    sqlite_engine: Engine, tmp_path: Path, content: str, arguments: list[str]
) -> None:
    path = tmp_path / "file"
    path.write_text(content, encoding="utf-8")
    done = _command(sqlite_engine, tmp_path, str(path), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len([line for line in done.stderr.splitlines() if line and "B/s" not in line and "it" not in line]) <= 1


def test_the_command_needs_no_bot_to_have_run_before_it(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": "hi", "consent": True}])
    url = f"sqlite:///{tmp_path}/new/polydesk.db"
    done = _command(url, tmp_path, str(path), "--format", "jsonl", "--market", "en-US")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["messages"] == 1


def _command(database: Engine | str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    url = database if isinstance(database, str) else str(database.url)
    environ = {**os.environ, "DATABASE_URL": url, "POLYDESK_VAR": str(folder / "var")}
    command = [sys.executable, "-m", "training", "ingest", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
