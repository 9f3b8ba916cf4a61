from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from actions.database import transaction
from bot.__main__ import main
from bot.personal_data.lineage import learned_from
from bot.tables import conversations
from tests.bot.personal_data.people_for_tests import ANNAS, EVAS, SAID, House
from tests.dialogue.shop_data import ANNA, SHIPPED


@pytest.fixture
def environ(sqlite_house: House, tmp_path: Path) -> Mapping[str, str]:
    return {"DATABASE_URL": str(sqlite_house.engine.url), "POLYDESK_VAR": str(tmp_path / "var")}


def test_export_writes_all_of_hers_for_its_owner_alone(environ: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "anna.json"
    assert main(["export", "--email", ANNA, "--output", str(file)], environ) == 0
    shown = json.loads(file.read_text())

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SAID in json.dumps(shown["conversations"]["messages"])
    assert [event["text"] for event in shown["dialogue"]] == [SAID]
    assert SHIPPED in [order["number"] for order in shown["shop"]["orders"]]
    assert {"customers", "addresses", "items", "payments", "invoices", "shipments"} <= set(shown["shop"])
    assert EVAS not in file.read_text()


def test_export_without_a_file_prints_json_alone(
    environ: Mapping[str, str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["export", "--sender", "anna", "--channel", "rest"], environ) == 0
    shown = json.loads(capfdbinary.readouterr().out)
    assert shown["conversations"]["conversations"][0]["id"] == ANNAS


def test_erase_tells_what_it_erased_and_what_stays(
    environ: Mapping[str, str], sqlite_house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["erase", "--email", ANNA, "--yes"], environ) == 0
    said = capsys.readouterr().out
    assert "messages" in said
    assert "rows of the shop stay" in said
    assert [row.id for row in sqlite_house.contents()["conversations"]] == [EVAS]

    assert main(["erase", "--email", ANNA, "--yes"], environ) == 0
    assert "Nothing is kept" in capsys.readouterr().out


def test_the_account_is_the_shops_to_delete(environ: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["erase", "--email", ANNA, "--account", "--yes"], environ) == 0
    assert "The shop keeps the account: open_orders." in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["erase"], ["export"], ["erase", "--sender", "anna", "--account", "--yes"], ["erase", "--sender", "x"]],
)
def test_nobody_named_or_nobody_to_confirm_is_bad_input(
    arguments: list[str], environ: Mapping[str, str], sqlite_house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sqlite_house.contents()
    assert main(arguments, environ) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert sqlite_house.contents() == before


def test_an_export_that_cannot_be_written_is_bad_input(environ: Mapping[str, str], tmp_path: Path) -> None:
    assert main(["export", "--sender", "anna", "--output", str(tmp_path / "no folder" / "x.json")], environ) == 2


def test_purge_deletes_what_is_too_old(environ: Mapping[str, str], sqlite_house: House) -> None:
    with transaction(sqlite_house.engine) as session:
        before_any_retention = datetime(2020, 1, 1, tzinfo=UTC)
        session.execute(update(conversations).values(last_customer_at=before_any_retention))
    assert main(["purge", "--yes"], environ) == 0
    assert sqlite_house.contents()["conversations"] == []


def test_the_releases_that_learned_from_her_are_found_by_their_lineage(tmp_path: Path) -> None:
    for name, transcripts in (("de-DE/1", b"[1, 2]"), ("de-DE/2", b"[2]"), ("global/1", b"[3]")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "lineage.json").write_bytes(b'{"transcripts": %b, "sources": {}}' % transcripts)
    assert learned_from(tmp_path, [1, 7]) == ["de-DE/1"]
    assert learned_from(tmp_path, [2]) == ["de-DE/1", "de-DE/2"]
    assert learned_from(tmp_path, []) == []
    (tmp_path / "global/1/lineage.json").write_bytes(b"{")
    assert learned_from(tmp_path, [9]) == ["global/1 (its lineage cannot be read)"]
