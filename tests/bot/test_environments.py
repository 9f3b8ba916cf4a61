from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bot.children import Child
from bot.environments import OF, Process, environment_of
from bot.launcher import Launcher
from bot.settings import Settings, read_far_ends, read_settings

SECRETS_OF_THE_EDGE = {
    "POLYDESK_SECRET": "signs the sessions of these tests, long enough",
    "POLYDESK_IDENTITY_SECRET": "signs the customers of these tests, long enough",
    "REST_TOKEN": "rest",
    "REDIS_URL": "redis://:geheim@127.0.0.1:6399",
    "WHATSAPP_APP_SECRET": "whatsapp",
    "MAIL_PASSWORD": "mail",
    "FRENCH_BOT_TOKEN": "named in credentials.yml",
}
OPERATORS = {"POLYDESK_AGENT_PASSWORD": "for agent add", "AWS_SECRET_ACCESS_KEY": "somebody's", **SECRETS_OF_THE_EDGE}
CREDENTIALS = """
telegram:
- {name: germany}
- {name: france, bot_token: "${FRENCH_BOT_TOKEN}", secret_token: "${FRENCH_BOT_TOKEN}"}
"""
TELLS = """
import json, os, time
print(json.dumps(dict(os.environ)), flush=True)
time.sleep(60)
"""


class Recorded(Mapping[str, str]):
    """An environment that has everything, and remembers what was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.asked: set[str] = set()
        self._values = values

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with credentials of its own, and a module that tells its environment."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "credentials.yml").write_text(CREDENTIALS)
    (tmp_path / "tells.py").write_text(TELLS)
    (tmp_path / "var" / "run" / "8000").mkdir(parents=True)
    return tmp_path


def seen(process: Process, folder: Path, **environ: str) -> dict[str, str]:
    """Start a child as the launcher does, with another program, and return what it sees."""
    settings = read_settings({**OPERATORS, **environ})
    launcher = Launcher(settings, {**os.environ, **OPERATORS, **environ, "PYTHONPATH": str(folder)})
    child = Child(launcher.program(process, "tells"))

    async def live() -> dict[str, str]:
        await child.start()
        async with asyncio.timeout(30):
            while not child.program.log.read_bytes().endswith(b"\n"):
                await asyncio.sleep(0.02)
        await child.stop()
        return dict(json.loads(child.program.log.read_text()))

    return asyncio.run(live())


def test_rasa_and_the_actions_see_no_secret_that_the_edge_alone_needs(folder: Path) -> None:
    for process in ("rasa", "actions"):
        environment = seen(process, folder)
        assert not OPERATORS.keys() & environment.keys(), process
        assert not set(SECRETS_OF_THE_EDGE.values()) & set(environment.values()), process
        assert environment["PATH"] == os.environ["PATH"]


def test_the_edge_sees_its_secrets_and_none_of_the_others(folder: Path) -> None:
    environment = seen("edge", folder)

    assert SECRETS_OF_THE_EDGE.items() <= environment.items()
    assert read_far_ends(environment).rasa_secret
    others = {"ACTIONS_SECRET", "POLYDESK_TRACKER_URL", "POLYDESK_REDIS_PASSWORD", "AWS_SECRET_ACCESS_KEY"}
    assert not others & environment.keys()


def test_each_sees_the_secrets_of_its_own_wires(folder: Path) -> None:
    rasa, actions = seen("rasa", folder), seen("actions", folder)

    assert {"POLYDESK_RASA_SECRET", "ACTIONS_SECRET", "POLYDESK_TRACKER_URL"} <= rasa.keys()
    assert {"ACTIONS_SECRET", "ACTIONS_PORT", "DATABASE_URL"} <= actions.keys()
    assert "POLYDESK_RASA_SECRET" not in actions
    assert "DATABASE_URL" not in rasa


def test_a_shop_of_ones_own_gets_its_variables_where_it_is_opened(folder: Path) -> None:
    seen_by = {process: seen(process, folder, POLYDESK_SHOP="a:B", MYSHOP_TOKEN="m") for process in OF}

    assert {process for process, environment in seen_by.items() if "MYSHOP_TOKEN" in environment} == {"edge", "actions"}
    assert not {"POLYDESK_AGENT_PASSWORD", *SECRETS_OF_THE_EDGE} & seen_by["actions"].keys()


def test_every_variable_that_the_settings_ask_for_reaches_the_edge() -> None:
    asked = Recorded({})
    read_settings(asked)

    environment = environment_of("edge", dict.fromkeys(asked.asked, "x"))
    assert environment.keys() == asked.asked


def test_the_launchers_settings_are_the_childrens(folder: Path) -> None:
    settings = Settings(port=8000, database_url="sqlite:///elsewhere.db")
    environment = Launcher(settings, {"PORT": "1", "DATABASE_URL": "x"}).program("edge", "tells").environment

    assert (environment["PORT"], environment["DATABASE_URL"]) == ("8000", "sqlite:///elsewhere.db")
