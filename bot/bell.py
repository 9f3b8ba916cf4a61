"""Wakes the other edges through Redis, so that they need not find by looking what this edge has stored.

A ring only says where to look: what is lost, because Redis is away or there is none, each edge finds by itself a little
later. Touches Redis.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Literal

import redis.asyncio
import structlog
from redis.exceptions import RedisError

CHANNEL = "polydesk:bell"
RINGS_KEPT = 1000  # while Redis is slow
LOOK_AGAIN = 1.0  # seconds

# A conversation has a message that this edge cannot have answered; a message's turn has ended; a reply is stored.
Ring = Literal["work", "finished", "reply"]


class Bell:
    """One edge's. Without a URL it is silent."""

    def __init__(self, url: str | None) -> None:
        self._redis = redis.asyncio.from_url(url, socket_connect_timeout=1, socket_keepalive=True) if url else None
        self._edge = uuid.uuid4().hex
        self._listeners: dict[str, Callable[[str], None]] = {}
        self._rings: asyncio.Queue[str] = asyncio.Queue(RINGS_KEPT)
        self._tasks: list[asyncio.Task[None]] = []

    def on(self, ring: Ring, listener: Callable[[str], None]) -> None:
        """Have another edge's rings of this kind heard, each with what it is about."""
        self._listeners[ring] = listener

    def ring(self, ring: Ring, about: str) -> None:
        """Wake the other edges."""
        if self._redis and not self._rings.full():
            self._rings.put_nowait(f"{self._edge} {ring} {about}")

    def start(self) -> None:
        """Begin to ring and to listen."""
        if self._redis:
            self._tasks = [
                asyncio.create_task(self._publish(self._redis)),
                asyncio.create_task(self._hear(self._redis)),
            ]

    async def stop(self) -> None:
        """End both."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._redis:
            await self._redis.close()

    async def _publish(self, server: redis.asyncio.Redis) -> None:
        while True:
            ring = await self._rings.get()
            try:
                await server.publish(CHANNEL, ring)
            except (RedisError, OSError) as error:
                _log(error)

    async def _hear(self, server: redis.asyncio.Redis) -> None:
        while True:
            try:
                async with server.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(CHANNEL)
                    async for message in subscription.listen():
                        self._wake(message["data"].decode(errors="replace"))
            except (RedisError, OSError) as error:
                _log(error)
            await asyncio.sleep(LOOK_AGAIN)

    def _wake(self, message: str) -> None:
        edge, _, rest = message.partition(" ")
        ring, _, about = rest.partition(" ")
        if edge != self._edge and ring in self._listeners:
            self._listeners[ring](about)


def _log(error: Exception) -> None:
    structlog.get_logger().warning("bell.redis_away", error=type(error).__name__)
