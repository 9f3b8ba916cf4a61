"""What a messaging provider's file has to say: is a request genuine, what is in it, and how is a reply sent.

Everything else is shared: `webhook.py` serves the requests, `intake.py` stores the messages, `sending.py` sends.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx
from starlette.responses import PlainTextResponse, Response

from bot.channels.accounts import Account
from bot.channels.formatting import Form, Piece
from bot.delivery import Recipient
from bot.desk import Desk
from bot.inbox import Kind, Stored
from bot.outbox import Outgoing
from bot.texts import Texts


@dataclass(frozen=True)
class Asked:
    """A provider's request, before anything in it is believed. `url` is the public one, as the provider called it."""

    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # found whatever their case
    body: bytes


@dataclass(frozen=True)
class Received:
    """One message as the provider tells it. `payload` is the pressed button's; `text` is then its title, if told.

    `opens` marks what a provider tells when a customer has come and said nothing yet: she is greeted.
    """

    sender: str
    message_id: str
    text: str = ""
    kind: Kind = "text"
    payload: str | None = None
    attachment: dict[str, Any] | None = None
    language_hint: str | None = None
    opens: bool = False


class Provider(ABC):
    """One account at a provider."""

    channel: ClassVar[str]

    def __init__(self, account: Account) -> None:
        self.account = account

    @abstractmethod
    def form(self, recipient: Recipient) -> Form:
        """Tell what one message to this customer can hold."""

    @abstractmethod
    async def send(self, recipient: Recipient, piece: Piece) -> str | None:
        """Send one piece and return the provider's id of it; raises `TryLater` or `Undeliverable`."""

    async def gave_back(self, recipient: Recipient, reply: Outgoing) -> bool:
        """Whether a reply went back with the customer's own request, so that it need not be sent."""
        return False


class WebhookProvider(Provider):
    """One account at a provider that calls us with its messages, and that we call with ours."""

    def __init__(self, account: Account, http: httpx.AsyncClient, texts: Texts) -> None:
        super().__init__(account)
        self.http = http
        self.texts = texts

    @abstractmethod
    def is_genuine(self, asked: Asked) -> bool:
        """Whether a request comes from the provider. Called before anything of it is read."""

    @abstractmethod
    def read(self, asked: Asked) -> Iterable[Received]:
        """Give all messages of a genuine request, in order; raises `Refusal` for a body that is none of theirs."""

    def challenge(self, asked: Asked) -> str | None:
        """Return what a GET has to be answered with when the provider verifies the address; None refuses it."""
        return None

    async def acknowledge(self, asked: Asked, stored: Sequence[Stored], desk: Desk) -> Response:
        """Tell the provider that its messages are stored."""
        return PlainTextResponse("ok")


def same(given: str | None, expected: str) -> bool:
    """Compare two secrets in a time that does not tell how much of them is equal."""
    return hmac.compare_digest((given or "").encode(errors="replace"), expected.encode())
