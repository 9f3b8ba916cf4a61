"""Sends replies through a channel's accounts; what the deliverer knows of a channel (`bot/delivery.py`)."""

from __future__ import annotations

from collections.abc import Mapping

from bot.channels.formatting import lay_out
from bot.channels.provider import Provider
from bot.delivery import Recipient, TryLater, Undeliverable
from bot.outbox import Outgoing


class ChannelSender:
    """One channel's. `providers` are its accounts by name.

    A reply may be several messages to the provider. When one of them has to wait, those before it are not sent again by
    this edge; another edge that takes over would send them once more.
    """

    def __init__(self, name: str, providers: Mapping[str, Provider]) -> None:
        self.name = name
        self._providers = providers
        self._sent: dict[tuple[str, int], int] = {}

    async def send(self, recipient: Recipient, reply: Outgoing) -> str | None:
        """Send all pieces of a reply; returns the provider's id of the last one."""
        provider = self._providers.get(recipient.account)
        if provider is None:
            raise Undeliverable(f"the account {recipient.account} of {self.name} is not configured")
        if await provider.gave_back(recipient, reply):
            return None
        this = (recipient.conversation, reply.number)
        pieces = lay_out(reply, provider.form(recipient), conversation=recipient.conversation)
        sent_id = None
        sent = self._sent.pop(this, 0)
        for number, piece in enumerate(pieces[sent:], start=sent):
            try:
                sent_id = await provider.send(recipient, piece)
            except TryLater:
                self._sent[this] = number
                raise
        return sent_id
