"""Whole Polydesks for benchmarks: started as `make run` does, stopped at the end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.apart import environment_in
from tests.benchmarks.kills import healthy
from tests.services import free_port

STARTS_WITHIN = 900.0  # seconds; a busy machine trains the dialogue that long


@dataclass(frozen=True)
class Launched:
    """A running one: where it answers, and its launcher's process id."""

    url: str
    launcher: int


@contextmanager
def launched(var: Path, database: str, **environment: str) -> Iterator[Launched]:
    """Start one on a database; its logs are in `var`."""
    var.mkdir(parents=True, exist_ok=True)
    port = free_port()
    limits = dict.fromkeys(("POLYDESK_SENDER_RATE", "POLYDESK_ADDRESS_RATE"), "1000000")
    variables = environment_in(var) | limits | {"PORT": str(port), "DATABASE_URL": database} | environment
    with (var / "run.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "run"], env=variables, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + STARTS_WITHIN
        while not healthy(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Polydesk did not start; {var / 'run.log'} says why")
            time.sleep(0.5)
        yield Launched(url, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
