from __future__ import annotations

from pathlib import Path

import pytest

from bot.channels.accounts import NEEDS, Account, AccountsError, read_accounts, variable
from tests.bot.channels.played import VARIABLES


def accounts(file: Path, content: str = "", environ: dict[str, str] | None = None) -> dict[str, list[Account]]:
    file.write_text(content)
    found: dict[str, list[Account]] = {}
    for account in read_accounts(environ or {}, file):
        found.setdefault(account.channel, []).append(account)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "credentials.yml"


def test_the_variables_alone_turn_a_channel_on(tmp_path: Path) -> None:
    found = {account.channel: account for account in read_accounts(VARIABLES, tmp_path / "none.yml")}

    assert not found["whatsapp"].missing
    assert found["whatsapp"]["phone_number_id"] == VARIABLES["WHATSAPP_PHONE_NUMBER_ID"]
    assert found["whatsapp"]["api_url"] == "https://graph.facebook.com"
    assert found["whatsapp"].paths[0] == "/webhooks/whatsapp/webhook"
    assert found["mail"].missing == ("address", "password", "imap_url", "smtp_url")


def test_the_documented_variables_are_all_that_the_webhook_channels_need() -> None:
    needed = {variable(channel, key) for channel, keys in NEEDS.items() if channel != "mail" for key in keys}

    assert needed == set(VARIABLES)


def test_a_channel_without_one_of_its_secrets_is_off_and_says_which(file: Path) -> None:
    environ = {name: value for name, value in VARIABLES.items() if name != "SLACK_BOT_TOKEN"}

    [slack] = accounts(file, "slack: {market: fr-FR}", environ)["slack"]

    assert slack.missing == ("bot_token",)
    assert slack.market == "fr-FR"


def test_a_list_of_accounts_has_a_path_for_each_and_the_variables_go_to_the_first(file: Path) -> None:
    content = """
telegram:
- {name: germany, market: de-DE}
- {name: france, market: fr-FR, bot_token: "${FRENCH_BOT}", secret_token: "${FRENCH_SECRET}"}
"""
    environ = {**VARIABLES, "FRENCH_BOT": "1:fr", "FRENCH_SECRET": "s", "TELEGRAM_API_URL": "http://localhost:1/"}

    germany, france = accounts(file, content, environ)["telegram"]

    assert germany["bot_token"] == VARIABLES["TELEGRAM_BOT_TOKEN"]
    assert germany.paths == ("/webhooks/telegram/webhook", "/webhooks/telegram/germany/webhook")
    assert germany["api_url"] == "http://localhost:1"
    assert (france["bot_token"], france["secret_token"]) == ("1:fr", "s")
    assert france.paths == ("/webhooks/telegram/france/webhook",)
    assert france["api_url"] == "https://api.telegram.org"


def test_an_account_whose_variable_is_not_set_is_off(file: Path) -> None:
    [line] = accounts(file, 'line: {channel_secret: "${LINE_SECRET}", access_token: "${LINE_TOKEN}"}')["line"]

    assert line.missing == ("channel_secret", "access_token")


def test_secrets_do_not_show_where_an_account_is_printed(file: Path) -> None:
    shown = repr(accounts(file, "", VARIABLES))

    assert not any(value in shown for value in VARIABLES.values())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("telegram: {bot_token: 123:abc}", "a secret comes from the environment"),
        ("telegramm: {}", "no channel 'telegramm'"),
        ("telegram: {token: x}", "there is no 'token'"),
        ("telegram: [{name: a}, {name: a}]", "the name 'a' is taken"),
        ("telegram: [{name: a}, {market: de-DE}]", "letters, digits"),
        ("telegram: [{name: ../x}]", "letters, digits"),
        ("telegram: [7]", "must be a mapping"),
        ("- telegram", "must be a mapping of channels"),
        ("telegram: [", "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_says_where(file: Path, content: str, told: str) -> None:
    with pytest.raises(AccountsError, match=r"credentials\.yml") as refusal:
        accounts(file, content)

    assert told in str(refusal.value)


def test_rasas_own_entries_are_left_alone(file: Path) -> None:
    assert set(accounts(file, "rest:\nsocketio:\nrasa: {url: http://localhost}\n")) == set(NEEDS)
