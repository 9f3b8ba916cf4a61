"""Services that some tests need: found, started for the tests alone, and stopped.

Where a service is missing the test is skipped with the reason, or fails if the environment variable `POLYDESK_REQUIRE`
(`browser,postgresql,redis`) names it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from actions.database import open_engine

STARTS_WITHIN = 30  # seconds
LOOPBACK = "127.0.0.1"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def need(service: str) -> str:
    """Return the program of `browser`, `postgresql` (its folder) or `redis`; skip or fail where it is missing."""
    program, reason = {"browser": _browser, "postgresql": _postgresql, "redis": _redis}[service]()
    if program:
        return program
    if service in os.environ.get("POLYDESK_REQUIRE", "").split(","):
        pytest.fail(f"POLYDESK_REQUIRE names {service}, but {reason}", pytrace=False)
    pytest.skip(reason)


def _browser() -> tuple[str | None, str]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    return found, f"there is no {', '.join(BROWSERS)}"


def _postgresql() -> tuple[str | None, str]:
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    newest = max(folders, key=lambda folder: float(folder.parent.name), default=None)
    if newest is None and (initdb := shutil.which("initdb")):
        newest = Path(initdb).parent
    return str(newest) if newest else None, "there is no PostgreSQL in /usr/lib/postgresql"


def _redis() -> tuple[str | None, str]:
    return shutil.which("redis-server"), "there is no redis-server"


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Give the URL of a PostgreSQL server, without a database's name."""
    with postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """Give the URL of a Redis."""
    with redis() as url:
        yield url


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a server and give its URL, without a database's name; or `POLYDESK_TEST_POSTGRESQL`'s."""
    given = os.environ.get("POLYDESK_TEST_POSTGRESQL")
    if given:
        yield given.rpartition("/")[0] if given.count("/") > 2 else given
        return
    programs = Path(need("postgresql"))
    user = "postgres" if os.geteuid() == 0 else None  # initdb refuses root
    with tempfile.TemporaryDirectory(prefix="polydesk-postgresql-") as folder:
        if user:
            shutil.chown(folder, user)
        data, port = f"{folder}/data", free_port()
        initdb = [f"{programs}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run(initdb, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)
        server = [f"{programs}/postgres", "-D", data, "-p", str(port), "-h", LOOPBACK, "-k", "", "-F"]
        url = f"postgresql://postgres@{LOOPBACK}:{port}"
        with running(server, lambda: _accepts_queries(url), user=user, folder=folder):
            yield url


@contextmanager
def redis() -> Iterator[str]:
    """Run a Redis that keeps nothing on disk, and give its URL."""
    program, port = need("redis"), free_port()
    with tempfile.TemporaryDirectory(prefix="polydesk-redis-") as folder:
        server = [program, "--port", str(port), "--bind", LOOPBACK, "--save", "", "--dir", folder]
        with running(server, lambda: _answers_ping(port), folder=folder):
            yield f"redis://{LOOPBACK}:{port}/0"


@contextmanager
def running(command: list[str], answers: Callable[[], bool], *, folder: str, user: str | None = None) -> Iterator[None]:
    """Run a server until the block ends; it is stopped by its own process id."""
    with (Path(folder) / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, user=user)
    try:
        deadline = time.monotonic() + STARTS_WITHIN
        while not answers():
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(
                    f"{command[0]} does not start: {(Path(folder) / 'log').read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.05)
        yield
    finally:
        server.send_signal(signal.SIGINT)  # both shut down at once on an interrupt
        server.wait(STARTS_WITHIN)


def _accepts_queries(url: str) -> bool:
    engine = open_engine(f"{url}/postgres")
    try:
        engine.connect().close()
    except OperationalError:
        return False
    finally:
        engine.dispose()
    return True


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
