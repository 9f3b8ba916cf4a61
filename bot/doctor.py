"""`python -m bot doctor`: says what is missing, and how to mend it. Changes nothing."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import redis
from alembic.runtime.migration import MigrationContext
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from actions.database import open_engine
from actions.sql_shop import load_shop
from bot.channels.accounts import NEEDS
from bot.launcher import check_port
from bot.rasa_files import model_file
from bot.settings import Settings, SettingsError
from nlu.markets import GLOBAL_ADAPTER, MarketsFileError, load_markets

PYTHON = (3, 11)
PACKAGES = ("rasa", "rasa_sdk", "torch", "onnxruntime", "tokenizers", "starlette", "socketio", "alembic", "psycopg2")
ENCODER = Path("models/encoder")
ADAPTERS = Path("training/adapters")


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and, where it is not well, how to mend it."""

    subject: str
    state: str
    mend: str | None = None


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything that a run needs."""
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _python,
        _packages,
        _markets,
        _encoder,
        _adapters,
        _dialogue,
        _database,
        _shop,
        _port,
        _redis,
        _channels,
    )
    for check in checks:
        yield check(settings)


def doctor(settings: Settings, *, output: TextIO = sys.stdout) -> int:
    """Print the findings; returns the number of things to mend."""
    to_mend = 0
    for finding in examine(settings):
        mark = "ok  " if finding.mend is None else "MEND"
        output.write(f"{mark}  {finding.subject}: {finding.state}\n")
        if finding.mend:
            to_mend += 1
            output.write(f"      {finding.mend}\n")
    return to_mend


def _python(_: Settings) -> Finding:
    version = sys.version.split()[0]
    mend = None if sys.version_info[:2] == PYTHON else "Use Python 3.11: `make install` with python3.11 on the path."
    return Finding("Python", version, mend)


def _packages(_: Settings) -> Finding:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return Finding(
            "packages", f"{', '.join(missing)} missing", "Run `make install`, and start from .venv/bin/python."
        )
    return Finding("packages", "installed")


def _markets(_: Settings) -> Finding:
    try:
        return Finding("markets", ", ".join(market.code for market in load_markets()))
    except MarketsFileError as error:
        return Finding("markets", str(error), "Mend markets.yml; docs/add-a-market.md explains a row.")


def _encoder(_: Settings) -> Finding:
    if (ENCODER / "model.safetensors").exists() and (ENCODER / "tokenizer.json").exists():
        return Finding("encoder", f"in {ENCODER}")
    return Finding("encoder", f"not in {ENCODER}", "Run `make install`, which puts it together.")


def _adapters(_: Settings) -> Finding:
    try:
        wanted = [GLOBAL_ADAPTER, *dict.fromkeys(market.adapter for market in load_markets() if market.adapter)]
    except MarketsFileError:
        return Finding("adapters", "unknown while markets.yml cannot be read", "Mend markets.yml first.")
    missing = [name for name in wanted if not (ADAPTERS / name).is_dir()]
    if missing:
        return Finding("adapters", f"{', '.join(missing)} missing", f"Check {ADAPTERS}/ out again, or train them.")
    return Finding("adapters", ", ".join(wanted))


def _dialogue(_: Settings) -> Finding:
    try:
        model = model_file()
    except OSError as error:
        return Finding("dialogue", str(error), "Run from the project's root.")
    return Finding("dialogue", f"{model} {'is ready' if model.exists() else 'will be trained at the next run'}")


def _database(settings: Settings) -> Finding:
    try:
        engine = open_engine(settings.database_url)
        with engine.connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
    except (SQLAlchemyError, ValueError, OSError) as error:
        return Finding("database", type(error).__name__, "See that DATABASE_URL is right and the server is running.")
    return Finding("database", f"{engine.dialect.name}, {revision or 'empty: the next run makes its tables'}")


def _shop(settings: Settings) -> Finding:
    if settings.shop is None:
        return Finding("shop", "the demo shop")
    try:
        load_shop(settings.shop, open_engine(settings.database_url))
    except (ValueError, TypeError) as error:
        return Finding("shop", str(error), "See that POLYDESK_SHOP names your class; docs/connect-a-shop.md has more.")
    return Finding("shop", settings.shop)


def _port(settings: Settings) -> Finding:
    try:
        check_port(settings)
    except SettingsError as error:
        return Finding("port", str(error), "Another run may be using it; PORT=8001 make run takes another.")
    return Finding("port", f"{settings.host}:{settings.port} is free")


def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return Finding("redis", "not configured; one edge needs none")
    try:
        redis.from_url(settings.redis_url, socket_connect_timeout=2, socket_timeout=2).ping()
    except (RedisError, OSError) as error:
        return Finding("redis", type(error).__name__, "See that REDIS_URL is right and the server is running.")
    return Finding("redis", "answers")


def _channels(settings: Settings) -> Finding:
    """A channel that nobody has begun to set up is no fault; one that is set up by half is."""
    begun = [each for each in settings.accounts if not each.is_first or each.missing != NEEDS[each.channel]]
    incomplete = [account for account in begun if account.missing]
    if incomplete:
        lacking = "; ".join(f"{each.channel} ({each.name}) lacks {', '.join(each.missing)}" for each in incomplete)
        return Finding("channels", f"{lacking}, and is off", "docs/channels.md names what each account needs.")
    return Finding("channels", ", ".join(f"{each.channel} ({each.name})" for each in begun) or "widget and REST only")
