"""Says whether a service that some tests need is on this machine: a browser, PostgreSQL, Redis.

A missing one skips the test and says so; but if `POLYDESK_REQUIRE` (a comma list) names it, the test fails.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REQUIRED = "POLYDESK_REQUIRE"


def need(service: str) -> Path:
    """Return the service's program; skips the test if there is none, or fails it if the service is required."""
    program = find(service)
    if program:
        return program
    reason = f"There is no {service} on this machine."
    if service in os.environ.get(REQUIRED, "").split(","):
        pytest.fail(f"{reason} {REQUIRED} names it.")
    pytest.skip(reason)


def find(service: str) -> Path | None:
    """Return the program of `browser`, `postgresql` or `redis`, or None."""
    if service == "postgresql":
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
        return found[-1] if found else None
    program = shutil.which({"browser": "chromium", "redis": "redis-server"}[service])
    return Path(program) if program else None
