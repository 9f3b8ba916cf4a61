"""`python -m bot agent add|list|disable`: the agents' accounts from the command line.

Reads a password from `POLYDESK_AGENT_PASSWORD`, from standard input, or asks for it; it is never an argument, which
everybody on the machine could read. Touches the database, whose tables it makes if they are not there yet.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from getpass import getpass
from typing import Any

from bot.settings import read_settings

PASSWORD_VARIABLE = "POLYDESK_AGENT_PASSWORD"  # noqa: S105 - a name, not a password
BAD_INPUT = 2


def add_parser(commands: Any) -> None:
    """Add `agent` to the commands of `python -m bot`."""
    does = "accounts of the people behind the bot"
    parser = commands.add_parser("agent", help=does, description=does)
    steps = parser.add_subparsers(dest="step", required=True)
    does = f"make an account; its password comes from {PASSWORD_VARIABLE}, from standard input, or is asked for"
    add = steps.add_parser("add", help=does, description=does)
    add.add_argument("name", help="what the agent signs in with; customers read it")
    add.add_argument("--role", choices=("agent", "supervisor", "admin"), default="agent")
    add.add_argument("--email")
    steps.add_parser("list", help="list the accounts", description="list the accounts")
    does = "shut an account and end its sessions"
    disable = steps.add_parser("disable", help=does, description=does)
    disable.add_argument("name")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run one step; returns the exit code."""
    # Imported here, so that the other commands load neither database nor Argon2.
    from actions.database import open_engine
    from bot.console.accounts import AccountError, Accounts
    from bot.migrations import migrate

    url = read_settings(environ).database_url
    migrate(url)
    engine = open_engine(url)
    accounts = Accounts(engine)
    try:
        if options.step == "add":
            agent = accounts.add(options.name, _password(environ), role=options.role, email=options.email)
            sys.stdout.write(f"{agent.name} may sign in at /console as {agent.role}.\n")
        elif options.step == "disable":
            accounts.disable(options.name)
            sys.stdout.write(f"{options.name} cannot sign in any more.\n")
        else:
            for account in accounts.all():
                state = "disabled" if account.disabled_at else "here" if account.here else "not here"
                sys.stdout.write(f"{account.agent.name}\t{account.agent.role}\t{account.email or '-'}\t{state}\n")
    except AccountError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT
    finally:
        engine.dispose()
    return 0


def _password(environ: Mapping[str, str]) -> str:
    from bot.console.accounts import AccountError

    given = environ.get(PASSWORD_VARIABLE)
    if given:
        return given
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass("Password: ")
    if getpass("Once more: ") != first:
        raise AccountError("The two passwords differ.")
    return first
