"""The REST channel: `POST /webhooks/rest/webhook` takes a message, waits for its turn, and answers the replies.

Without a token it serves this machine only. Its senders are a namespace of their own: a name given here reaches no
conversation of another channel.
"""

from __future__ import annotations

import asyncio
import hmac
import uuid
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.checks import (
    MESSAGE_ID_LIMIT,
    Metadata,
    Refusal,
    check_market,
    check_storable,
    check_text,
    decode,
    known_language,
)
from bot.customer_identity import Customer
from bot.desk import Desk
from bot.inbox import Incoming, Stored
from bot.outbox import Outgoing
from bot.rates import is_loopback
from bot.tables import LEFT_TO_AGENT
from nlu.markets import Market

CHANNEL = "rest"
WAITS = 30.0  # seconds
NO_METADATA = Metadata()


class RestMessage(msgspec.Struct, frozen=True):
    """The body of a request."""

    sender: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    message: str
    message_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MESSAGE_ID_LIMIT)] | None = None
    metadata: Metadata | None = None


class RestChannel:
    """Serves one desk."""

    def __init__(self, desk: Desk, *, waits: float = WAITS) -> None:
        self._desk = desk
        self._waits = waits

    def routes(self) -> list[Route]:
        """Return the channel's routes."""
        return [Route(f"/webhooks/{CHANNEL}/webhook", self.receive, methods=["POST"])]

    async def receive(self, request: Request) -> Response:
        """Take one message and answer with its replies; 504 when they are not there in time."""
        language = self._desk.markets.languages[0]
        try:
            self._check_caller(request)
            body = decode(await request.body(), RestMessage)
            metadata = body.metadata or NO_METADATA
            market = check_market(metadata.market, self._desk.markets)
            hint = known_language(metadata.language_hint, self._desk.markets)
            language = hint or (market.language if market else language)
            await self._check_message(body, request)
            customer = self._desk.customers.check(metadata.identity)
            stored, is_new = await asyncio.to_thread(self._store, body, market, hint, customer)
        except Refusal as refusal:
            return self._refuse(refusal, language)
        if is_new:
            self._desk.metrics.messages.labels(channel=CHANNEL).inc()
        try:
            async with asyncio.timeout(self._waits):
                await self._desk.dispatch.finished(stored)
        except TimeoutError:
            return JSONResponse({"error": "not answered yet", "message_id": stored.message_id}, status_code=504)
        return JSONResponse(await asyncio.to_thread(self._answers, stored, body.sender))

    def _check_caller(self, request: Request) -> None:
        token = self._desk.settings.rest_token
        if token is None:
            # The name that was asked for counts as well: a proxy on this machine, or a page that had its own name lead
            # here, would otherwise pass for this machine.
            names_us = request.url.hostname == "localhost" or is_loopback(request.url.hostname)
            if not (names_us and is_loopback(request.client.host if request.client else None)):
                raise Refusal("not_allowed", 403)
            return
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Refusal("not_allowed", 401)

    async def _check_message(self, body: RestMessage, request: Request) -> None:
        check_text(body.message)
        check_storable(body.sender)
        check_storable(body.message_id or "")
        # With a token the caller speaks for all its customers: its address says nothing about one of them.
        address = request.client.host if request.client and self._desk.settings.rest_token is None else None
        if not await self._desk.rates.allows(sender=f"{CHANNEL}:{body.sender}", address=address, trusted=True):
            raise Refusal("too_many", 429)

    def _store(
        self, body: RestMessage, market: Market | None, hint: str | None, customer: Customer | None
    ) -> tuple[Stored, bool]:
        desk = self._desk
        first = market or desk.home_market(customer)
        conversation = desk.conversations.open(CHANNEL, sender=body.sender, market=first.code)
        # A sender's name is the caller's word: two customers under one name would read each other's conversation.
        if customer and not desk.customers.keep(conversation.id, customer):
            raise Refusal("not_allowed", 403)
        if market and market.code != conversation.market:
            desk.conversations.set_market(conversation.id, market.code)
        metadata_id = body.metadata.message_id if body.metadata else None
        return desk.inbox.store(
            Incoming(
                channel=CHANNEL,
                account=conversation.id,
                conversation=conversation.id,
                message_id=body.message_id or metadata_id or str(uuid.uuid4()),
                text=body.message,
                market=market.code if market else conversation.market,
                language_hint=hint,
            )
        )

    def _answers(self, stored: Stored, sender: str) -> list[dict[str, Any]]:
        if self._desk.inbox.state(stored.key) == LEFT_TO_AGENT:
            return []
        return [_to_wire(reply, sender) for reply in self._desk.outbox.answers(stored)]

    def _refuse(self, refusal: Refusal, language: str) -> Response:
        self._desk.metrics.refusals.labels(channel=CHANNEL, reason=refusal.name).inc()
        error = {"error": self._desk.refusal_text(refusal, language), "reason": refusal.name}
        if "detail" in refusal.values:
            error["detail"] = refusal.values["detail"]
        headers = {"www-authenticate": "Bearer"} if refusal.status == 401 else None
        return JSONResponse(error, status_code=refusal.status, headers=headers)


def _to_wire(reply: Outgoing, sender: str) -> dict[str, Any]:
    """Return a reply in the form of Rasa's own REST channel."""
    wire: dict[str, Any] = {"recipient_id": sender, "text": reply.text}
    if reply.buttons:
        wire["buttons"] = reply.buttons
    if reply.image:
        wire["image"] = reply.image
    metadata = {"id": reply.number, "name": reply.name, "language": reply.language, "message_id": reply.message_id}
    return {**wire, "metadata": metadata}
