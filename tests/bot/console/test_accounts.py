from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from sqlalchemy.engine import Engine

from actions.tables import AuditRow
from bot.__main__ import main
from bot.agent_tables import agent_sessions, agents
from bot.console.accounts import AccountError, Accounts
from bot.console.sessions import IDLE, LASTS
from tests.bot.agents_for_tests import PASSWORD, QUICK, Desk


@pytest.fixture
def desk(sqlite_engine: Engine) -> Desk:
    return Desk(sqlite_engine)


def test_a_password_is_kept_as_an_argon2id_hash_only(desk: Desk) -> None:
    Accounts(desk.engine).add("Anna", PASSWORD, role="agent")
    (row,) = desk.rows(agents)
    kept = extract_parameters(row.password_hash)
    assert kept.type is Type.ID
    assert (kept.memory_cost >= 64 * 1024, kept.time_cost >= 3) == (True, True)
    assert PASSWORD not in repr(row)


def test_name_and_password_both_have_to_be_right(desk: Desk) -> None:
    anna = desk.agent("Anna")
    assert desk.accounts.check("Anna", PASSWORD) == anna
    assert desk.accounts.check("Anna", PASSWORD + "x") is None
    assert desk.accounts.check("Eve", PASSWORD) is None
    assert desk.accounts.check("Anna", "") is None


def test_a_name_that_does_not_exist_takes_as_long_as_a_wrong_password(desk: Desk) -> None:
    slow = PasswordHasher(time_cost=8, memory_cost=8192, parallelism=1)
    accounts = Accounts(desk.engine, hasher=slow)
    accounts.add("Anna", PASSWORD, role="agent")
    accounts.check("Anna", "warm up")

    def takes(name: str) -> float:
        times = []
        for _ in range(5):
            begun = time.thread_time()
            accounts.check(name, "wrong password")
            times.append(time.thread_time() - begun)
        return min(times)

    wrong_password, no_such_name = takes("Anna"), takes("Eve")
    assert no_such_name > wrong_password / 2


@pytest.mark.parametrize(
    ("name", "password", "role", "email"),
    [
        ("Anna", "short", "agent", None),
        ("", PASSWORD, "agent", None),
        ("x" * 81, PASSWORD, "agent", None),
        ("An\nna", PASSWORD, "agent", None),
        ("Anna", PASSWORD, "king", None),
        ("Anna", PASSWORD, "agent", "no address"),
        ("Taken", PASSWORD, "agent", None),
    ],
)
def test_a_bad_account_is_refused(desk: Desk, name: str, password: str, role: str, email: str | None) -> None:
    desk.agent("Taken")
    with pytest.raises(AccountError):
        desk.accounts.add(name, password, role=role, email=email)
    assert len(desk.rows(agents)) == 1


def test_a_disabled_account_cannot_sign_in_and_its_sessions_end(desk: Desk) -> None:
    anna = desk.agent("Anna")
    token = desk.sessions.begin(anna)
    desk.accounts.disable("Anna")
    assert desk.accounts.check("Anna", PASSWORD) is None
    assert desk.sessions.find(token) is None
    with pytest.raises(AccountError):
        desk.accounts.disable("Eve")


def test_a_changed_password_counts_at_once(desk: Desk) -> None:
    anna = desk.agent("Anna")
    with pytest.raises(AccountError):
        desk.accounts.change_password(anna, "wrong", "another long password")
    with pytest.raises(AccountError):
        desk.accounts.change_password(anna, PASSWORD, "short")
    desk.accounts.change_password(anna, PASSWORD, "another long password")
    assert desk.accounts.check("Anna", PASSWORD) is None
    assert desk.accounts.check("Anna", "another long password") == anna


def test_a_weak_hash_is_replaced_when_its_password_is_next_used(desk: Desk) -> None:
    desk.agent("Anna")
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    assert Accounts(desk.engine, hasher=stronger).check("Anna", PASSWORD)
    (row,) = desk.rows(agents)
    assert not stronger.check_needs_rehash(row.password_hash)
    assert desk.accounts.check("Anna", PASSWORD)


def test_who_made_and_shut_an_account_is_in_the_audit(desk: Desk) -> None:
    ada = desk.agent("Ada", "admin")
    anna = desk.accounts.add("Anna", PASSWORD, role="agent", by=ada.id)
    desk.accounts.disable("Anna", by=ada.id)
    audit = [
        (row.method, row.subject, row.details["by"])
        for row in desk.rows(AuditRow.__table__, order=AuditRow.__table__.c.id)
    ]
    assert audit == [
        ("add_agent", f"agent:{ada.id}", "command line"),
        ("add_agent", f"agent:{anna.id}", f"agent:{ada.id}"),
        ("disable_agent", f"agent:{anna.id}", f"agent:{ada.id}"),
    ]


def test_a_session_ends_when_it_is_not_used_and_refreshing_is_no_use(desk: Desk) -> None:
    token = desk.sessions.begin(desk.agent("Anna"))
    for _ in range(4):
        desk.clock.passes(seconds=IDLE.total_seconds() / 4)
        assert desk.sessions.find(token, refreshing=True)
    desk.clock.passes(seconds=1)
    assert desk.sessions.find(token, refreshing=True) is None


def test_a_session_ends_after_its_time_however_much_it_is_used(desk: Desk) -> None:
    token = desk.sessions.begin(desk.agent("Anna"))
    begun = desk.clock()
    while desk.clock() - begun < LASTS - IDLE / 2:
        desk.clock.passes(seconds=IDLE.total_seconds() / 2)
        assert desk.sessions.find(token)
    desk.clock.passes(seconds=IDLE.total_seconds() / 2 + 1)
    assert desk.sessions.find(token) is None


def test_the_database_does_not_hold_what_the_cookie_does(desk: Desk) -> None:
    token = desk.sessions.begin(desk.agent("Anna"))
    (row,) = desk.rows(agent_sessions)
    assert token not in repr(row)
    assert desk.sessions.find(row.token_hash) is None


def test_signing_out_ends_one_session_and_a_new_password_all_others(desk: Desk) -> None:
    anna = desk.agent("Anna")
    first, second, third = (desk.sessions.begin(anna) for _ in range(3))
    desk.sessions.end(first)
    assert desk.sessions.find(first) is None
    desk.sessions.end_others(anna, second)
    assert desk.sessions.find(second)
    assert desk.sessions.find(third) is None


def test_accounts_are_made_listed_and_disabled_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bot.console.accounts.PasswordHasher", lambda: QUICK)
    database = {"DATABASE_URL": f"sqlite:///{tmp_path}/agents.db"}

    def agent(*arguments: str, stdin: str = "", **environ: str) -> tuple[int, list[str], list[str]]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main(["agent", *arguments], {**database, **environ})
        told = capsys.readouterr()
        assert PASSWORD not in told.out + told.err
        return code, told.out.splitlines(), told.err.splitlines()

    assert agent("add", "Ada", "--role", "admin", stdin=f"{PASSWORD}\n")[0] == 0
    assert agent("add", "Anna", "--email", "anna@shop.example", POLYDESK_AGENT_PASSWORD=PASSWORD)[0] == 0
    for wrong in (agent("add", "Anna", POLYDESK_AGENT_PASSWORD=PASSWORD), agent("add", "Ben", stdin="short\n")):
        assert (wrong[0], len(wrong[2])) == (2, 1)
    assert agent("disable", "Eve")[0] == 2
    assert agent("disable", "Anna")[0] == 0
    assert agent("list")[1] == ["Ada\tadmin\t-\tnot here", "Anna\tagent\tanna@shop.example\tdisabled"]
