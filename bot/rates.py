"""Rate limits: how many messages a sender or an address may send in a minute. Counts in memory, or in Redis."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from typing import Protocol

import redis.asyncio
import structlog
from redis.exceptions import RedisError

WINDOW = 60  # seconds
TRUSTED = 5  # times as many messages
CUSTOMERS_NETWORK = 64  # bits: in IPv6 that is what one customer's line is given


class Counts(Protocol):
    """Counts events by key within the present window."""

    async def count(self, key: str) -> int:
        """Add one to the key and return how many there were in this window, this one included."""


class MemoryCounts:
    """Counts in this process."""

    def __init__(self) -> None:
        self._window = 0
        self._counts: Counter[str] = Counter()

    async def count(self, key: str) -> int:
        """Count one; a new window forgets the last one's counts."""
        window = int(time.monotonic() / WINDOW)
        if window != self._window:
            self._window, self._counts = window, Counter()
        self._counts[key] += 1
        return self._counts[key]


class RedisCounts:
    """Counts in Redis, so that all edges share them. While Redis is away nothing is refused."""

    def __init__(self, url: str) -> None:
        self._redis = redis.asyncio.from_url(url, socket_timeout=1, socket_connect_timeout=1)

    async def count(self, key: str) -> int:
        """Count one in the window that all edges' clocks agree on."""
        name = f"polydesk:rate:{int(time.time() / WINDOW)}:{key}"
        try:
            async with self._redis.pipeline() as pipeline:
                count, _ = await pipeline.incr(name).expire(name, 2 * WINDOW).execute()
        except (RedisError, OSError) as error:
            structlog.get_logger().warning("rates.redis_away", error=type(error).__name__)
            return 0
        return int(count)


class Rates:
    """The limits of one edge, in messages a minute.

    Four a second are more than anybody writes, and let a widget deliver what piled up while it was offline. A trusted
    caller, who knows a secret of ours, bounds its own customers: what is refused to a provider would be lost.
    """

    def __init__(self, counts: Counts, *, sender: int, address: int) -> None:
        self._counts = counts
        self._sender = sender
        self._address = address

    async def allows(self, *, sender: str, address: str | None, trusted: bool = False) -> bool:
        """Count a message and say whether it is within both limits."""
        # Loopback is ourselves or a proxy that hides its customers: one limit for all of them would shut them all out.
        if (
            address
            and not is_loopback(address)
            and await self._counts.count(f"address:{_line(address)}") > self._address
        ):
            return False
        most = self._sender * TRUSTED if trusted else self._sender
        return await self._counts.count(f"sender:{sender}") <= most


def is_loopback(address: str | None) -> bool:
    """Whether an address is this machine's own; something that is no address is not."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def _line(address: str) -> str:
    """Return what stands for one customer's line: an IPv4 address, or the network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped or ipaddress.ip_network((parsed, CUSTOMERS_NETWORK), strict=False))
