"""`python -m bot run`: starts edge, Rasa and actions, waits until each answers, and stops them together.

Prepares what they need first: the database and its demo shop, Rasa's model, and the run's files under `var/run/PORT/`.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TextIO

import httpx
from sqlalchemy import text
from sqlalchemy.engine import Engine

from actions.database import open_engine, transaction
from actions.demo import demo_orders_to_try, fill_demo
from bot.children import Child, Program, wait_for
from bot.console.accounts import has_admin
from bot.environments import Process, environment_of
from bot.migrations import migrate
from bot.rasa_files import SCHEMA, model_file, rasa_environment, train_model, write_files
from bot.settings import Settings, SettingsError

LOOPBACK = "127.0.0.1"
ANSWERS_WITHIN = 300.0  # seconds, from the start of the last process; a busy machine takes long


class Launcher:
    """One run."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], *, output: TextIO = sys.stdout) -> None:
        self._settings = settings
        self._output = output
        self._folder = settings.var / "run" / str(settings.port)
        self._rasa_port, self._actions_port = free_ports(2)
        self._environ = {
            **environ,
            "POLYDESK_RASA_URL": f"http://{LOOPBACK}:{self._rasa_port}",
            "POLYDESK_RASA_SECRET": secrets.token_urlsafe(32),
            "POLYDESK_ACTIONS_URL": f"http://{LOOPBACK}:{self._actions_port}",
            "ACTIONS_PORT": str(self._actions_port),
            "ACTIONS_SECRET": secrets.token_urlsafe(32),
            "SHOP_URL": settings.absolute(settings.shop_url),
            "DATABASE_URL": settings.database_url,
            "HOST": settings.host,
            "PORT": str(settings.port),
            "PYTHONUNBUFFERED": "1",
            **rasa_environment(settings),
        }

    async def run(self) -> None:
        """Start everything and keep it running until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(each, stop.set)
        check_port(self._settings)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        async with AsyncExitStack() as children:
            starting = asyncio.create_task(self._start(children))
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            else:
                await starting
                await stopped
            self._say("Stopping.")

    async def _start(self, children: AsyncExitStack) -> None:
        model = model_file()
        if not model.exists():
            self._say("Preparing Rasa's dialogue model (once, and whenever the dialogue changes; about a minute) …")
            await train_model(model, self._folder / "train.log", environment_of("rasa", self._environ))
        engine = open_engine(self._settings.database_url)
        if engine.dialect.name == "postgresql":
            await asyncio.to_thread(make_schema, engine)
        write_files(self._folder, self._settings)
        self._say("Starting …")
        # Rasa takes longest and does not need our tables: it starts while they are made.
        await self._launch(children, "rasa", *self._rasa_arguments(model))
        await asyncio.to_thread(self._prepare_database, engine)
        await self._launch(children, "actions", "actions.server")
        await self._launch(children, "edge", "bot", "edge")
        await self._wait_until_ready()
        self._welcome(engine)
        engine.dispose()

    def _rasa_arguments(self, model: Path) -> list[str]:
        files = ["--endpoints", f"{self._folder}/endpoints.yml", "--credentials", f"{self._folder}/credentials.yml"]
        return ["rasa", "run", "-i", LOOPBACK, "-p", str(self._rasa_port), "--model", str(model), *files]

    def _prepare_database(self, engine: Engine) -> None:
        migrate(self._settings.database_url)
        if self._settings.shop is None:
            fill_demo(engine)

    async def _launch(self, children: AsyncExitStack, name: Process, *arguments: str) -> None:
        child = Child(self.program(name, *arguments))
        child.program.log.unlink(missing_ok=True)
        children.push_async_callback(child.stop)
        await child.start()

    def program(self, name: Process, *arguments: str) -> Program:
        """Say how a child is started."""
        return Program(name, arguments, environment_of(name, self._environ), self._folder / f"{name}.log")

    async def _wait_until_ready(self) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            name = f"Polydesk (its logs are in {self._folder})"
            await wait_for(name, lambda: _is_healthy(http, self._address), within=ANSWERS_WITHIN)

    @property
    def _address(self) -> str:
        host = LOOPBACK if self._settings.host in ("0.0.0.0", "::") else self._settings.host  # noqa: S104
        return f"http://{host}:{self._settings.port}"

    def _welcome(self, engine: Engine) -> None:
        self._say(f"\nPolydesk answers at {self._address}/")
        orders = demo_orders_to_try(engine) if self._settings.shop is None else []
        if orders:
            self._say("\nOrders to try:")
        for number, email, market, status in orders:
            self._say(f"  {number}  {email}  ({market}, {status})")
        if has_admin(engine):
            self._say(f"\nThe agents' console is at {self._address}/console/")
        else:
            self._say("\nNobody can take a customer over yet: python -m bot agent add NAME --role admin")
            self._say(f"makes an account for the console at {self._address}/console/")
        self._say("\nCtrl-C stops everything.")

    def _say(self, line: str) -> None:
        self._output.write(f"{line}\n")
        self._output.flush()


def run(settings: Settings, environ: Mapping[str, str]) -> None:
    """Run everything until told to stop; `environ` is where the children's variables come from."""
    asyncio.run(Launcher(settings, environ).run())


def free_ports(count: int) -> list[int]:
    """Pick ports on loopback that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def check_port(settings: Settings) -> None:
    """Raise `SettingsError` if the public port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SettingsError(
                f"{settings.host}:{settings.port} cannot be used ({error.strerror}): set PORT."
            ) from error


def make_schema(engine: Engine) -> None:
    """Make the PostgreSQL schema in which Rasa keeps its tables."""
    with transaction(engine) as session:
        session.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))


async def _is_healthy(http: httpx.AsyncClient, address: str) -> bool:
    try:
        answer = await http.get(f"{address}/health")
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK
