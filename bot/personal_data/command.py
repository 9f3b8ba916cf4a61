"""`python -m bot export`, `erase` and `purge`: a person's data, shown or erased everywhere, and what is too old.

Touches both databases and, for `export --output`, a file that only its owner can read.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bot.settings import Settings, read_settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from actions.shop import Shop
    from bot.personal_data.erasure import Erased, Erasure
    from bot.personal_data.places import Person
    from bot.personal_data.tracker import Tracker

FAILED = 1
BAD_INPUT = 2
NOTHING = "Nothing is kept about this person.\n"
RELEASES = (
    "These have learned from it; `python -m training rollback --to N --keep-labels` lets one serve that has not: {}.\n"
)
STAYS = "{} rows of the shop stay: orders and invoices are the merchant's records. `export` shows them.\n"


@dataclass(frozen=True)
class Installation:
    """What the commands work on."""

    engine: Engine
    tracker: Tracker
    shop: Shop
    erasure: Erasure
    find: Callable[..., Person]
    learned: Callable[..., list[str]]


def add_parsers(commands: Any) -> None:
    """Add the three to the commands of `python -m bot`."""
    does = "show all that is kept about a person"
    export = commands.add_parser("export", help=does, description=does)
    export.add_argument("--output", type=Path, metavar="FILE.json", help="where to; without it, standard output")
    export.set_defaults(run=partial(_with_installation, _export))
    does = "erase a person's data everywhere it is kept; the shop's own records stay"
    erase = commands.add_parser("erase", help=does, description=does)
    erase.add_argument("--account", action="store_true", help="have the shop delete the account of --email as well")
    erase.set_defaults(run=partial(_with_installation, _erase))
    for parser in (export, erase):
        parser.add_argument("--sender", help="her name on a channel, or the id of a conversation")
        parser.add_argument("--channel", help="the only channel on which --sender is looked for")
        parser.add_argument("--email", help="her e-mail")
    does = "delete what is older than the markets' `retention` days"
    purge = commands.add_parser("purge", help=does, description=does)
    purge.set_defaults(run=partial(_with_installation, _purge))
    for parser in (erase, purge):
        parser.add_argument("--yes", action="store_true", help="do not ask")


def _with_installation(
    step: Callable[[argparse.Namespace, Installation], int], options: argparse.Namespace, environ: Mapping[str, str]
) -> int:
    from actions.shop import ShopUnavailable
    from bot.personal_data.erasure import Busy, empty_log

    if options.command != "purge" and not (options.sender or options.email):
        sys.stderr.write("Name the person: --sender, --email, or both.\n")
        return BAD_INPUT
    if getattr(options, "account", False) and not options.email:
        sys.stderr.write("--account needs --email.\n")
        return BAD_INPUT
    if not getattr(options, "yes", True) and not _agreed(options.command):
        return BAD_INPUT
    installation = _open(read_settings(environ))
    engines = [each for each in (installation.engine, installation.tracker.engine) if each is not None]
    try:
        code = step(options, installation)
        if options.command != "export":
            for each in engines:
                empty_log(each)
        return code
    except (Busy, ShopUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    finally:
        for each in engines:
            each.dispose()


def _export(options: argparse.Namespace, installation: Installation) -> int:
    from bot.personal_data.export import as_json, counts, export

    person = _find(options, installation)
    document = export(installation.engine, installation.tracker, person, learned=installation.learned)
    if options.output is None:
        sys.stdout.buffer.write(as_json(document))
        return 0
    try:
        _write_private(options.output, as_json(document))
    except OSError as error:
        sys.stderr.write(f"{options.output} cannot be written: {error.strerror}.\n")
        return BAD_INPUT
    _say_rows(counts(document))
    return 0


def _erase(options: argparse.Namespace, installation: Installation) -> int:
    from bot.personal_data.export import count
    from bot.personal_data.places import KEPT

    person = _find(options, installation)
    _say_erased(installation.erasure.erase(person))
    if options.account:
        _delete_account(installation.shop, options.email)
    stays = count(installation.engine, KEPT, person)
    if stays:
        sys.stdout.write(STAYS.format(stays))
    return 0


def _purge(options: argparse.Namespace, installation: Installation) -> int:
    from datetime import UTC, datetime

    from bot.personal_data.retention import purge
    from nlu.markets import load_markets

    engine, tracker, erasure = installation.engine, installation.tracker, installation.erasure
    _say_erased(purge(engine, tracker, erasure, load_markets(), now=datetime.now(UTC)))
    return 0


def _open(settings: Settings) -> Installation:
    # Imported here, so that the other commands load no database.
    from actions.sql_shop import SqlShop, load_shop
    from bot.identity import load_secret
    from bot.migrations import migrate
    from bot.personal_data.erasure import Erasure, open_both
    from bot.personal_data.lineage import learned_from
    from bot.personal_data.people import find_person
    from nlu.releases import releases_folder
    from training.store import Store

    migrate(settings.database_url)
    engine, tracker = open_both(settings.database_url)
    shop = load_shop(settings.shop, engine) if settings.shop else SqlShop(engine)
    store = Store(engine, load_secret(settings.var / "transcripts.key"))
    learned = partial(learned_from, releases_folder())
    find = partial(find_person, engine, shop, store.pseudonym)
    return Installation(engine, tracker, shop, Erasure(engine, tracker, learned=learned), find, learned)


def _find(options: argparse.Namespace, installation: Installation) -> Person:
    return installation.find(sender=options.sender, channel=options.channel, email=options.email)


def _delete_account(shop: Shop, email: str) -> None:
    from actions.shop import NotAllowed

    try:
        shop.delete_account(email, key=f"erasure:{uuid4()}")
        sys.stdout.write("The shop has deleted the account.\n")
    except LookupError:
        sys.stdout.write("The shop has no account with this e-mail.\n")
    except NotAllowed as refusal:
        sys.stdout.write(f"The shop keeps the account: {refusal.reason}.\n")


def _agreed(command: str) -> bool:
    if not sys.stdin.isatty():
        sys.stderr.write(f"`{command}` cannot be undone; add --yes where nobody is there to be asked.\n")
        return False
    return input(f"`{command}` cannot be undone. Go on? [y/N] ").strip().casefold() in {"y", "yes"}


def _say_erased(erased: Erased) -> None:
    _say_rows(erased.rows)
    if erased.releases:
        sys.stdout.write(RELEASES.format(", ".join(erased.releases)))


def _say_rows(rows: Mapping[str, int]) -> None:
    if not any(rows.values()):
        sys.stdout.write(NOTHING)
    for table, number in rows.items():
        if number:
            sys.stdout.write(f"{table:<20} {number:>8}\n")


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
