"""The messaging channels' accounts: `credentials.yml` in Rasa's form, and the variables of the first account.

A channel is one mapping or a list of accounts, each with `name` and `market`. A value may be `${VARIABLE}`, and a
secret must be one. The first account takes what it lacks from the channel's own variables (`WHATSAPP_APP_SECRET`), also
where the file does not name the channel. Touches that file only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CREDENTIALS = Path("credentials.yml")
FIRST = "main"  # the name of an account that has none
# What an account cannot do without, by channel.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "whatsapp": ("app_secret", "verify_token", "access_token", "phone_number_id"),
    "messenger": ("app_secret", "verify_token", "page_token"),
    "telegram": ("bot_token", "secret_token"),
    "slack": ("signing_secret", "bot_token"),
    "twilio": ("account_sid", "auth_token"),
    "line": ("channel_secret", "access_token"),
    "wechat": ("token", "app_id", "app_secret"),
    "mail": ("address", "password", "imap_url", "smtp_url"),
}
# What it may have beside that, with what stands for it where it is not given.
MAY_HAVE: Mapping[str, Mapping[str, str]] = {
    "whatsapp": {"api_url": "https://graph.facebook.com"},
    "messenger": {"api_url": "https://graph.facebook.com"},
    "telegram": {"api_url": "https://api.telegram.org"},
    "slack": {"api_url": "https://slack.com"},
    "twilio": {"api_url": "https://api.twilio.com"},
    "line": {"api_url": "https://api.line.me"},
    "wechat": {"api_url": "https://api.weixin.qq.com", "encoding_aes_key": ""},
    "mail": {"user": ""},
}
# Of Rasa's own names: they have no accounts here.
WITHOUT_ACCOUNTS = frozenset({"rest", "socketio", "rasa"})
SECRETS = ("secret", "token", "password", "aes_key")
# What has a form of its own, and how that is called.
FORMS: Mapping[tuple[str, str], tuple[re.Pattern[str], str]] = {
    ("wechat", "encoding_aes_key"): (re.compile(r"[A-Za-z0-9]{43}"), "43 letters and digits"),
}
VARIABLE = re.compile(r"\$\{(\w+)\}")
NAME = re.compile(r"[A-Za-z0-9_-]{1,50}")


class AccountsError(ValueError):
    """`credentials.yml` cannot be used as it is; the message says where and what it should be."""


@dataclass(frozen=True)
class Account:
    """One account at a provider. `values` are its keys and secrets; one without all that its channel needs is off."""

    channel: str
    name: str
    market: str | None
    is_first: bool
    values: Mapping[str, str] = field(repr=False)

    def __getitem__(self, key: str) -> str:
        return self.values[key]

    @property
    def missing(self) -> tuple[str, ...]:
        """What the account lacks to be on."""
        return tuple(key for key in NEEDS[self.channel] if not self.values.get(key))

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of its webhook, by Rasa's convention."""
        named = f"/webhooks/{self.channel}/{self.name}/webhook"
        return (f"/webhooks/{self.channel}/webhook", named) if self.is_first else (named,)


def read_accounts(environ: Mapping[str, str], file: Path = CREDENTIALS) -> tuple[Account, ...]:
    """Return every channel's accounts, also those that are off; raises `AccountsError`."""
    content = _load(file)
    for channel in content:
        if channel not in NEEDS and channel not in WITHOUT_ACCOUNTS:
            raise AccountsError(f"{file}: there is no channel {channel!r}; there are {', '.join(NEEDS)}.")
    return tuple(
        account
        for channel in NEEDS
        for account in _accounts(channel, content.get(channel), environ, where=f"{file}, {channel}")
    )


def named_variables(file: Path = CREDENTIALS) -> frozenset[str]:
    """Return the variables that the file names."""
    return frozenset(VARIABLE.findall(file.read_text(encoding="utf-8"))) if file.exists() else frozenset()


def variable(channel: str, key: str) -> str:
    """Name the variable that gives the first account its `key`."""
    return f"{channel}_{key}".upper()


def _load(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError) as error:
        raise AccountsError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict | None):
        raise AccountsError(f"{file} must be a mapping of channels.")
    return content or {}


def _accounts(channel: str, entry: object, environ: Mapping[str, str], *, where: str) -> Iterator[Account]:
    rows = entry if isinstance(entry, list) and entry else [entry or {}]
    names = set()
    for number, row in enumerate(rows):
        account = _account(channel, row, environ, is_first=number == 0, where=where)
        if account.name in names:
            raise AccountsError(f"{where}: the name {account.name!r} is taken; each account needs its own.")
        names.add(account.name)
        yield account


def _account(channel: str, row: object, environ: Mapping[str, str], *, is_first: bool, where: str) -> Account:
    if not isinstance(row, dict):
        raise AccountsError(f"{where}: an account must be a mapping.")
    keys = (*NEEDS[channel], *MAY_HAVE[channel])
    for key in row:
        if key not in (*keys, "name", "market"):
            raise AccountsError(f"{where}: there is no {key!r}; there are name, market, {', '.join(keys)}.")
    name = str(row.get("name") or (FIRST if is_first else ""))
    if not NAME.fullmatch(name):
        raise AccountsError(f"{where}: an account's name has letters, digits, - and _ only, not {name!r}.")
    values = dict(MAY_HAVE[channel])
    for key in keys:
        given = _value(row.get(key), environ, secret=key.endswith(SECRETS), where=f"{where}, {key}")
        found = given or (environ.get(variable(channel, key), "") if is_first else "")
        pattern, form = FORMS.get((channel, key), (None, ""))
        if found and pattern and not pattern.fullmatch(found):
            raise AccountsError(f"{where}: {key} must be {form}.")  # it is not repeated: it may be a secret
        if found:
            values[key] = found.rstrip("/") if key == "api_url" else found
    market = row.get("market")
    return Account(channel, name, str(market) if market else None, is_first, values)


def _value(given: object, environ: Mapping[str, str], *, secret: bool, where: str) -> str:
    if given is None:
        return ""
    named = VARIABLE.fullmatch(str(given))
    if secret and not named:
        raise AccountsError(f"{where}: a secret comes from the environment; write ${{VARIABLE}}.")
    return environ.get(named[1], "") if named else str(given)
