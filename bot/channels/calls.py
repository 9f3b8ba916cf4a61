"""Calls to providers' interfaces: one POST, and what its failure means for the delivery. Touches the network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from bot.delivery import TryLater, Undeliverable

TIMEOUT = 10.0  # seconds
TEMPORARY = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS})
REASON_LENGTH = 200
LONGEST_WAIT = 24 * 60 * 60.0  # seconds


def open_client() -> httpx.AsyncClient:
    """Make the client for all providers. A proxy of the environment serves, but not for this machine itself."""
    local = {"all://127.0.0.1": None, "all://localhost": None}
    return httpx.AsyncClient(timeout=TIMEOUT, mounts=local)


async def post(http: httpx.AsyncClient, url: str, **request: Any) -> httpx.Response:
    """Post and return the answer, whatever it says; raises `TryLater` where there is none."""
    try:
        return await http.post(url, **request)
    except httpx.HTTPError as error:
        raise TryLater(type(error).__name__) from error
    except httpx.InvalidURL as error:
        raise Undeliverable(f"the provider's address cannot be used: {error}") from error


def check(answer: httpx.Response, *, reason: str = "", after: float | None = None) -> None:
    """Raise `TryLater` for 429, 408 and 5xx, `Undeliverable` for other errors; `reason` is what the provider says."""
    if answer.is_success:
        return
    told = f"status {answer.status_code} {reason}".strip()[:REASON_LENGTH]
    if answer.status_code in TEMPORARY or answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise TryLater(told, after=after if after is not None else retry_after(answer.headers))
    raise Undeliverable(told)


def content(answer: httpx.Response) -> dict[str, Any]:
    """Return the answer's JSON object, an empty one where it has none."""
    try:
        return msgspec.json.decode(answer.content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for, given there as seconds or as a date."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), LONGEST_WAIT)
    try:
        seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(0.0, seconds), LONGEST_WAIT)
