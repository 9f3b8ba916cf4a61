"""`python -m bot dead-letters`: replies that no channel took, and having them tried again. Touches the database.

What they say is not shown: it is a customer's conversation, and the console has it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bot.settings import read_settings

if TYPE_CHECKING:
    from bot.pending import Pending

BAD_INPUT = 2


def add_parser(commands: Any) -> None:
    """Add the command to the parser's commands."""
    does = "list the replies that no channel took, or have them tried again"
    parser = commands.add_parser("dead-letters", help=does, description=does)
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="one a line: id, when, channel, account, conversation, tries, why")
    listing.set_defaults(run=list_letters)
    replay = actions.add_parser("replay", help="try again, in a running edge")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", nargs="*", type=int, default=[], metavar="ID", help="ids that `list` shows")
    which.add_argument("--all", action="store_true", help="every one")
    replay.set_defaults(run=replay_letters)


def list_letters(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the dead letters, oldest first."""
    with _pending(environ) as pending:
        for letter in pending.dead_letters():
            at = letter.created_at.isoformat(timespec="seconds")
            whose = (letter.channel, letter.account or "-", letter.conversation)
            line = (letter.key, at, *whose, letter.attempts, letter.error)
            sys.stdout.write("\t".join(str(part) for part in line) + "\n")
    return 0


def replay_letters(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Have dead letters tried again; 2 if one of the ids is none."""
    with _pending(environ) as pending:
        count = pending.replay(None if options.all else options.ids)
    sys.stdout.write(f"{count} will be tried again.\n")
    unknown = 0 if options.all else len(set(options.ids)) - count
    if unknown:
        sys.stderr.write(f"{unknown} of the ids are no dead letters.\n")
        return BAD_INPUT
    return 0


@contextmanager
def _pending(environ: Mapping[str, str]) -> Iterator[Pending]:
    # Imported here, so that `--help` loads nothing.
    from actions.database import open_engine
    from bot.migrations import migrate
    from bot.pending import Pending

    url = read_settings(environ).database_url
    migrate(url)
    engine = open_engine(url)
    try:
        yield Pending(engine)
    finally:
        engine.dispose()
