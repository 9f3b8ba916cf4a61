"""Commands: `python -m bot run`, `doctor`, `agent`, `dead-letters`, and `edge` (the edge alone, which `run` starts)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from bot import dead_letters
from bot.console import command as agents
from bot.personal_data import command as personal_data
from bot.settings import SettingsError, read_settings
from bot.texts import TextsError
from nlu.markets import MarketsFileError

FAILED = 1
BAD_INPUT = 2
COMMANDS = {
    "run": "start everything",
    "doctor": "say what is missing, and how to mend it",
    "edge": "start the edge alone",
}
VARIABLES = """
environment:
  HOST, PORT             where the edge listens (127.0.0.1, 8000)
  DATABASE_URL           sqlite:///FILE or postgresql://… (sqlite:///var/polydesk.db)
  REDIS_URL              shared by several edges and Rasas
  REST_TOKEN             the REST channel's bearer token; without it that channel serves this machine only
  POLYDESK_SECRET        signs the widget's sessions (else var/secret, made at the first run)
  POLYDESK_SHOP          package.module:Class of another shop
  POLYDESK_PRIVACY_URL   the privacy text's address; may hold {market}
  SHOP_URL               the page where one buys; may hold {market} (the demo shop's)
  POLYDESK_PUBLIC_URL    where customers and messaging providers reach the edge; it stands in front of the demo's links
  WHATSAPP_…, MESSENGER_…, TELEGRAM_…, SLACK_…, TWILIO_…, LINE_…, WECHAT_…, MAIL_…   accounts; docs/channels.md
  POLYDESK_ORIGINS       sites that may show the widget, separated by commas
  POLYDESK_SENDER_RATE, POLYDESK_ADDRESS_RATE   messages a minute (240, 600)
  POLYDESK_TRUSTED_PROXIES   addresses and networks whose X-Forwarded-For is believed (127.0.0.1,::1)
  POLYDESK_IDENTITY_SECRET, POLYDESK_IDENTITY_PUBLIC_KEY   one of them checks the customers' identities
  POLYDESK_AGENT_PASSWORD   the password of `agent add`, where nobody is there to be asked
  POLYDESK_VAR           the folder of what a run keeps (var)
"""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command; returns the exit code: 2 for bad input, said in one line on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m bot", epilog=VARIABLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does in COMMANDS.items():
        raw = argparse.RawDescriptionHelpFormatter
        commands.add_parser(name, help=does, description=does, epilog=VARIABLES, formatter_class=raw)
    agents.add_parser(commands)
    personal_data.add_parsers(commands)
    dead_letters.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options, environ) if "run" in options else _run(options.command, environ)
    except (SettingsError, MarketsFileError, TextsError) as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT


def _run(command: str, environ: Mapping[str, str]) -> int:
    # Imported here: each command loads only what it needs, and `--help` nothing.
    if command == "edge":
        from bot.edge import serve_edge

        serve_edge(environ)
        return 0
    settings = read_settings(environ)
    if command == "doctor":
        from bot.doctor import doctor

        return 1 if doctor(settings) else 0
    from bot.launcher import run
    from bot.logs import configure_logs
    from bot.rasa_files import TrainingFailed

    configure_logs()
    try:
        run(settings, environ)
    except (TrainingFailed, TimeoutError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
