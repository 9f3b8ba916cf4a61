from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bot import rasa_files
from bot.children import FIRST_PAUSE, LONGEST_PAUSE, STEADY_AFTER, Child, Program, pause_after
from bot.identity import load_secret
from bot.launcher import check_port, free_ports
from bot.rasa_files import model_file, rasa_environment, tracker_url, write_files
from bot.settings import Settings, SettingsError, read_settings

SLEEPS = "import time; time.sleep(60)"


def sleeper(tmp_path: Path) -> Child:
    """Return a child that does nothing: a module of its own in the folder."""
    (tmp_path / "sleeper.py").write_text(SLEEPS)
    environment = {"PYTHONPATH": str(tmp_path)}
    return Child(Program("sleeper", ["sleeper"], environment, tmp_path / "sleeper.log"))


def alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_that_dies_is_started_again_and_stopping_ends_it(tmp_path: Path) -> None:
    async def live() -> None:
        child = sleeper(tmp_path)
        await child.start()
        first = child.process_id
        assert first is not None
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(30):
            while child.process_id in (first, None):
                await asyncio.sleep(0.05)
        second = child.process_id
        await child.stop()
        assert second is not None and not alive(second)

    asyncio.run(live())


def test_only_a_child_that_dies_of_its_start_is_left_longer_each_time() -> None:
    killed = [pause_after(None, lived=1.0)]
    dying = killed[:]
    for _ in range(10):
        killed.append(pause_after(killed[-1], lived=STEADY_AFTER + 1))
        dying.append(pause_after(dying[-1], lived=1.0))

    assert set(killed) == {FIRST_PAUSE}
    assert dying == sorted(dying) and dying[1] > dying[0] and dying[-1] == LONGEST_PAUSE


def test_children_end_when_the_launcher_is_killed(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEPS)
    script = f"""
import asyncio, sys
from pathlib import Path
from bot.children import Child, Program
async def main():
    child = Child(Program("sleeper", ["sleeper"], {{"PYTHONPATH": {str(tmp_path)!r}}}, Path({str(tmp_path / "log")!r})))
    await child.start()
    print(child.process_id, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        child = int(launcher.stdout.readline())
        handle = os.pidfd_open(child)
        launcher.kill()
        launcher.wait()
    ready = select.select([handle], [], [], 10)[0]
    os.close(handle)
    assert ready, "the child outlived its launcher"


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=str(port)):
            check_port(Settings(port=port))


def test_free_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5


def test_rasas_files_hold_no_secret(tmp_path: Path) -> None:
    settings = Settings(
        database_url="postgres://user:geheim@db:5433/desk", redis_url="rediss://:geh%20eim@cache:6380/0"
    )
    write_files(tmp_path, settings)

    endpoints = yaml.safe_load((tmp_path / "endpoints.yml").read_text())
    environment = rasa_environment(settings)
    assert "geh" not in (tmp_path / "endpoints.yml").read_text() + (tmp_path / "credentials.yml").read_text()
    assert (endpoints["lock_store"]["url"], endpoints["lock_store"]["port"]) == ("cache", 6380)
    assert endpoints["lock_store"]["use_ssl"] is True
    assert endpoints["nlg"]["type"] == "bot.nlg.Replies"
    assert environment["POLYDESK_REDIS_PASSWORD"] == "geh eim"
    assert environment["POLYDESK_TRACKER_URL"] == "postgresql://user:geheim@db:5433/desk"
    assert environment["POSTGRESQL_SCHEMA"] == "rasa"


@pytest.mark.parametrize(
    ("database", "tracker"),
    [
        ("sqlite:///var/polydesk.db", "sqlite:///var/rasa.db"),
        ("sqlite:////tmp/two/other.db", "sqlite:////tmp/two/other-rasa.db"),
        ("postgresql://host/desk", "postgresql://host/desk"),
    ],
)
def test_rasas_trackers_stand_beside_the_database(database: str, tracker: str) -> None:
    assert tracker_url(database) == tracker


def test_rasa_itself_takes_the_written_endpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rasa.core.lock_store import LockStore, RedisLockStore
    from rasa.core.tracker_store import SQLTrackerStore, TrackerStore
    from rasa.utils.endpoints import read_endpoint_config

    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'polydesk.db'}", redis_url="redis://:geheim@127.0.0.1:6399"
    )
    write_files(tmp_path, settings)
    told_by_the_launcher = {"ACTIONS_SECRET": "s", "POLYDESK_ACTIONS_URL": "http://127.0.0.1:1"}
    for name, value in {**rasa_environment(settings), **told_by_the_launcher}.items():
        monkeypatch.setenv(name, value)
    file = str(tmp_path / "endpoints.yml")

    trackers = TrackerStore.create(read_endpoint_config(file, "tracker_store"))
    locks = LockStore.create(read_endpoint_config(file, "lock_store"))

    assert isinstance(trackers, SQLTrackerStore)
    assert Path(trackers.engine.url.database) == tmp_path / "rasa.db"
    assert isinstance(locks, RedisLockStore)
    connection = locks.red.connection_pool.connection_kwargs
    assert (connection["host"], connection["port"], connection["password"]) == ("127.0.0.1", 6399, "geheim")


def test_the_models_name_follows_the_dialogues_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / "config.yml", tmp_path / "dialogue"]
    files[0].write_text("a")
    files[1].mkdir()
    (files[1] / "rules.yml").write_text("b")
    monkeypatch.setattr(rasa_files, "DIALOGUE", tuple(files))

    before = model_file()
    assert model_file() == before
    (files[1] / "rules.yml").write_text("c")
    assert model_file() != before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "abc"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("DATABASE_URL", "mysql://user:geheim@host/db"),
        ("DATABASE_URL", "geheim"),
        ("REDIS_URL", "http://geheim"),
        ("POLYDESK_SECRET", "geheim"),
        ("POLYDESK_SENDER_RATE", "-1"),
    ],
)
def test_a_wrong_variable_is_one_clear_line_and_exit_code_two(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({name: value})
    done = subprocess.run(
        [sys.executable, "-m", "bot", "doctor"],
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(name) and done.stderr.count("\n") == 1
    assert "geheim" not in done.stderr


def test_the_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "var" / "secret"

    first = load_secret(file)

    assert load_secret(file) == first
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(first) >= 32
