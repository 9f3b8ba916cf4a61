"""Brings stored replies to the customers of channels that have to be called, in order, until they are taken.

A channel registers a `Sender`; it says how one reply is sent and what a provider's refusal means, the rest is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.outbox import Outgoing


@dataclass(frozen=True)
class Recipient:
    """Whom a reply is for: the customer as the channel names her, and what a channel's rules depend on."""

    channel: str
    account: str
    sender: str
    conversation: str
    language: str | None
    last_customer_at: datetime | None


class TryLater(Exception):
    """The provider did not take a reply now (429, 5xx, no answer); `after` are the seconds it asks to wait, or None."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Undeliverable(Exception):
    """The provider will never take this reply, for the reason that the message names."""


class Sender(Protocol):
    """How a channel sends one reply."""

    @property
    def name(self) -> str:
        """The channel's name, as conversations have it."""

    async def send(self, recipient: Recipient, reply: Outgoing) -> str | None:
        """Send a reply and return the provider's id of it, if it has one; raises `TryLater` or `Undeliverable`."""
