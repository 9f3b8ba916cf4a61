"""The edge's end of the wire to Rasa. Touches the network, loopback only; docs/architecture.md has the wire's form.

A turn may be sent any number of times with the same id: Rasa and the actions know ids they have seen.
"""

from __future__ import annotations

import asyncio
from typing import Literal, TypeVar

import httpx
import msgspec

GREETING_WITHIN = 3.0  # seconds
ALIVE_WITHIN = 2.0

T = TypeVar("T")


class RasaUnavailable(Exception):
    """Rasa did not answer in time, or not in the wire's form: nothing is known about the turn."""


class RasaGone(RasaUnavailable):
    """Nobody listens where Rasa should be: the message has not been read."""


class TurnFailed(Exception):
    """Rasa did not do a turn, says so, and kept nothing of it; `language` is the customer's, if it got so far."""

    def __init__(self, reason: str, language: str | None = None) -> None:
        super().__init__(reason)
        self.language = language


class Button(msgspec.Struct, frozen=True):
    """A quick reply: what is seen, and what is sent."""

    title: str
    payload: str


class Handoff(msgspec.Struct, frozen=True):
    """A person should look: a short stable word why, and the ticket's reference where the customer was told one."""

    ticket: str | None
    reason: str


class Reply(msgspec.Struct, frozen=True):
    """One reply of the dialogue, in the customer's language."""

    name: str
    language: str
    text: str = ""
    buttons: tuple[Button, ...] = ()
    image: str | None = None
    handoff: Handoff | None = None


class Sentiment(msgspec.Struct, frozen=True):
    """How the customer sounds, with a calibrated probability."""

    name: str
    confidence: float


class TurnResult(msgspec.Struct, frozen=True):
    """A turn that is done: its replies, and what the model made of the message."""

    replies: tuple[Reply, ...]
    intent: str | None = None
    confidence: float | None = None
    language: str | None = None
    adapter: str | None = None
    sentiment: Sentiment | None = None
    out_of_scope: float | None = None


class Greeting(msgspec.Struct, frozen=True):
    """The opening replies of a conversation."""

    replies: tuple[Reply, ...]


class TurnMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """What Rasa is told beside the text; `button` only for a payload that the last bot turn offered.

    `email` and `orders` are the customer's as the shop has signed them, and left away where it has not.
    """

    market: str
    language_hint: str | None
    button: bool
    email: str | None = None
    orders: tuple[str, ...] = ()


class Turn(msgspec.Struct, frozen=True):
    """One message on its way to Rasa."""

    sender: str
    message: str
    message_id: str
    metadata: TurnMetadata


class _Failure(msgspec.Struct, frozen=True):
    """The body of a turn that failed; a Rasa that is still loading its model answers without `turn`."""

    turn: Literal["failed"]
    language: str | None = None


class RasaClient:
    """Asks one Rasa."""

    def __init__(self, http: httpx.AsyncClient, url: str, secret: str) -> None:
        self._http = http
        self._base = f"{url}/webhooks/polydesk"
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    async def turn(self, turn: Turn, *, within: float) -> TurnResult:
        """Have one message answered in so many seconds; raises `TurnFailed` or `RasaUnavailable`."""
        return _decode(await self._post("webhook", msgspec.json.encode(turn), within=within), TurnResult)

    async def understand(self, turn: Turn, *, within: float) -> TurnResult:
        """Return what a message is taken for, without replies and without a trace; raises as a turn does."""
        return _decode(await self._post("understanding", msgspec.json.encode(turn), within=within), TurnResult)

    async def greeting(self, conversation: str, *, market: str, language_hint: str | None) -> tuple[Reply, ...]:
        """Return the opening replies; raises as a turn does."""
        body = {"sender": conversation, "metadata": {"market": market, "language_hint": language_hint}}
        answer = await self._post("greeting", msgspec.json.encode(body), within=GREETING_WITHIN)
        return _decode(answer, Greeting).replies

    async def answers(self) -> bool:
        """Whether Rasa answers and has its model."""
        try:
            answer = await self._http.get(f"{self._base}/", headers=self._headers, timeout=ALIVE_WITHIN)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK

    async def _post(self, path: str, body: bytes, *, within: float) -> httpx.Response:
        try:
            # httpx counts its timeouts anew at each byte; this one is for all of it.
            async with asyncio.timeout(within):
                url = f"{self._base}/{path}"
                answer = await self._http.post(url, content=body, headers=self._headers, timeout=None)
        except httpx.ConnectError as error:
            raise RasaGone(type(error).__name__) from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise RasaUnavailable(type(error).__name__) from error
        if answer.status_code != httpx.codes.OK:
            _raise_if_failed(answer)
            raise RasaUnavailable(f"status {answer.status_code}")
        return answer


def _decode(answer: httpx.Response, form: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=form)
    except msgspec.DecodeError as error:
        raise RasaUnavailable(f"not of the wire's form: {error}") from error


def _raise_if_failed(answer: httpx.Response) -> None:
    try:
        failure = msgspec.json.decode(answer.content, type=_Failure)
    except msgspec.DecodeError:
        return
    raise TurnFailed(f"status {answer.status_code}", failure.language)
