"""Archives as they come: what spreadsheets and half-broken exports do to files, late labels, withdrawn consent."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.engine import Engine

from actions.database import reading
from tests.training.test_transcripts import chatwoot, take_in, texts, tracker, write_json, write_lines
from training.formats import ArchiveError
from training.labels import disagreements
from training.tables import labels, transcript_messages

HEADER = "conversation,message_id,text,consent,intent,labeller\n"


def kept_labels(engine: Engine) -> list[tuple[Any, ...]]:
    with reading(engine) as session:
        return [tuple(row) for row in session.execute(select(labels.c.intent, labels.c.labeller).order_by(labels.c.id))]


def test_a_quotation_mark_that_is_never_closed_makes_no_message_of_the_rows_behind_it(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'conversation,text,consent\n1,"hello,yes\n2,"where is it",yes\n3,thanks,yes\n4,"open end,yes\n5,lost,yes\n',
        encoding="utf-8",
    )
    done = take_in(sqlite_engine, path, "csv")
    assert texts(sqlite_engine) == ["thanks"]
    assert [broken.record for broken in done.rejected] == [2, 5]
    assert "lines 2 to 3 are lost" in done.rejected[0].reason
    assert "lines 5 to 6 are lost" in done.rejected[1].reason


def test_a_header_that_is_no_csv_is_bad_input(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'"' + b"x" * 2**21 + b'",text\na,b\n')
    with pytest.raises(ArchiveError, match="header is not CSV"):
        take_in(sqlite_engine, path, "csv")


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_byte_order_mark_and_the_line_ends_of_windows_change_nothing(
    sqlite_engine: Engine, tmp_path: Path, ends: str
) -> None:
    written = {
        "csv": f"text,consent{ends}one,yes{ends}",
        "jsonl": f'{{"text": "two", "consent": true}}{ends}{{"text": "three", "consent": true}}{ends}',
        "chatwoot": json.dumps([chatwoot(1)], indent=1).replace("\n", ends),
        "rasa": json.dumps(tracker("a")) + ends + json.dumps(tracker("b")) + ends,
    }
    for name, content in written.items():
        (tmp_path / name).write_bytes(BOM_UTF8 + content.encode())
        assert take_in(sqlite_engine, tmp_path / name, name).rejected == []
    assert len(texts(sqlite_engine)) == 1 + 2 + 2 + 4


@pytest.mark.parametrize(
    "fields",
    [
        '"id": NaN, "text": 5',
        '"at": 1' + "0" * 400,
        '"at": "0001-01-01T00:00:00+14:00"',
        '"intent": {"name": "greet"}',
        '"intent": "' + "x" * 200 + '"',
        '"sentiment": ["neutral"]',
        '"labeller": "' + "x" * 200 + '", "intent": "greet"',
        '"language": ["de"]',
        '"text": "\\ud800"',
    ],
)
def test_a_value_that_cannot_be_is_named_by_line_and_the_rest_is_taken(
    engine: Engine, tmp_path: Path, fields: str
) -> None:
    rows = ['{"consent": true, "text": "broken", ' + fields + "}", {"consent": True, "text": "whole"}]
    done = take_in(engine, write_lines(tmp_path / "a.jsonl", rows), "jsonl")
    assert [broken.record for broken in done.rejected] == [1]
    assert texts(engine) == ["whole"]


def test_a_record_nested_without_end_is_named_in_every_format(sqlite_engine: Engine, tmp_path: Path) -> None:
    deep = '{"sender_id": ' + "[" * 100_000 + "]" * 100_000 + "}"
    done = take_in(sqlite_engine, write_lines(tmp_path / "a.jsonl", [deep, tracker("a")]), "rasa")
    assert ([broken.record for broken in done.rejected], done.conversations) == ([1], 1)


@pytest.mark.parametrize(
    ("named", "kept"), [("DE", "de"), ("de-DE", "de"), ("zh_Hans", "zh"), ("German", "de"), ("x" * 50, "de")]
)
def test_a_language_is_kept_as_its_code_however_it_is_named(
    engine: Engine, tmp_path: Path, named: str, kept: str
) -> None:
    row = {"text": "wo bleibt denn meine bestellung", "language": named, "consent": True}
    take_in(engine, write_lines(tmp_path / "a.jsonl", [row]), "jsonl", market="de-DE")
    with reading(engine) as session:
        assert session.scalar(select(transcript_messages.c.language)) == kept


def test_two_labellers_of_one_message_in_a_file_are_both_kept(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + "1,a,my bag is torn,yes,get_refund,mia\n1,a,my bag is torn,yes,complaint,tom\n", "utf-8")
    for _ in range(2):  # the same file twice adds nothing
        take_in(engine, path, "csv")
        assert kept_labels(engine) == [("get_refund", "mia"), ("complaint", "tom")]
    assert len(disagreements(engine, "en-US")) == 1


def test_labels_of_a_later_file_are_kept_though_its_messages_are_known(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + "1,a,my bag is torn,yes,,\n", "utf-8")
    take_in(engine, path, "csv")
    path.write_text(HEADER + "1,a,my bag is torn,yes,complaint,mia\n", "utf-8")
    done = take_in(engine, path, "csv")
    assert (done.messages, done.duplicates) == (0, 1)
    assert kept_labels(engine) == [("complaint", "mia")]


def test_a_conversation_whose_consent_is_withdrawn_later_is_erased_and_said(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take_in(engine, write_json(tmp_path / "a.json", [chatwoot(1), chatwoot(2)]), "chatwoot")
    later = write_json(tmp_path / "b.json", [chatwoot(1, consent=False), chatwoot(2, consent=None)])
    assert take_in(engine, later, "chatwoot").without_consent == 2
    with reading(engine) as session:
        left = set(session.scalars(select(transcript_messages.c.transcript_id)))
    assert left == {2}  # to say nothing is not to withdraw
    assert "transcripts 1 are erased" in capsys.readouterr().err


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_csv_is_read_as_a_spreadsheet_saves_it(
    sqlite_engine: Engine, tmp_path: Path, delimiter: str, encoding: str
) -> None:
    rows = [["conversation", "text", "consent"], ["1", '"größe, bitte; danke"', "yes"], ["2", "नमस्ते", "yes"]]
    path = tmp_path / "a.csv"
    path.write_text("".join(delimiter.join(row) + "\r\n" for row in rows), encoding=encoding)
    done = take_in(sqlite_engine, path, "csv")
    assert done.rejected == []
    assert texts(sqlite_engine) == ["größe, bitte; danke", "नमस्ते"]


def test_half_a_character_in_a_file_of_utf_16_costs_its_row_alone(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text;consent\none;yes\n\ud83d;yes\nthree;yes\ncut".encode("utf-16", "surrogatepass")[:-1])
    done = take_in(sqlite_engine, path, "csv")
    assert [broken.record for broken in done.rejected] == [3, 5]
    assert texts(sqlite_engine) == ["one", "three"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"text|consent\nhi|yes\n", "between commas, semicolons or tabs"),
        ("text,consent\nhi,yes\n".encode("utf-16-le"), "save the file as UTF-8"),
    ],
)
def test_a_csv_that_cannot_be_read_is_refused_with_the_reason(
    sqlite_engine: Engine, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ArchiveError, match=words):
        take_in(sqlite_engine, tmp_path / "a.csv", "csv")
