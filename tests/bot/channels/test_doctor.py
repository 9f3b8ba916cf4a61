from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.channels.accounts import read_accounts
from bot.doctor import Finding, examine
from bot.settings import Settings
from tests.bot.channels.played import VARIABLES


def finding(environ: dict[str, str]) -> Finding:
    settings = replace(Settings(), accounts=read_accounts(environ, Path("there is no such file")))
    return next(each for each in examine(settings) if each.subject == "channels")


def test_a_channel_that_nobody_set_up_is_no_fault() -> None:
    assert finding({}) == Finding("channels", "widget and REST only")


def test_a_channel_that_is_set_up_is_named() -> None:
    assert finding(VARIABLES).state.startswith("whatsapp (main), messenger (main)")


def test_half_a_channel_is_to_be_mended() -> None:
    found = finding({"SLACK_BOT_TOKEN": "xoxb-1"})

    assert found.mend is not None
    assert "slack (main) lacks signing_secret" in found.state
