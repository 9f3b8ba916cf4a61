"""The widget's channel: Rasa's socket.io protocol and Polydesk's own events, as docs/architecture.md has them.

A socket belongs to one conversation, which it joins by showing the token of it. What a client sends in the wrong form
is refused in the acknowledgement, and, to a client of Rasa's plain protocol, as a `bot_uttered` that is not stored.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import socketio
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.bell import Bell
from bot.channels.following import Following
from bot.channels.widget_wire import (
    NO_METADATA,
    Answer,
    Consent,
    Rating,
    Resume,
    Score,
    SessionRequest,
    UserUttered,
    has_own_id,
    to_wire,
)
from bot.checks import (
    BODY_LIMIT,
    TEXT_LIMIT,
    Refusal,
    check_market,
    check_storable,
    check_text,
    convert,
    known_language,
)
from bot.conversations import Conversation
from bot.customer_identity import Customer
from bot.delivery import Recipient
from bot.desk import Desk
from bot.feedback import CONSENT_VERSION
from bot.history import history
from bot.inbox import Incoming, Stored
from bot.outbox import Outgoing
from bot.rasa_client import RasaUnavailable, TurnFailed
from bot.tables import WAITING
from bot.turns import TurnState
from nlu.markets import Market

CHANNEL = "widget"
OK = {"ok": True}
RASAS_EVENTS = ("session_request", "user_uttered")


class WidgetChannel:
    """Serves one desk over one socket.io server; also the delivery of its replies."""

    name = CHANNEL

    def __init__(self, desk: Desk, server: socketio.AsyncServer, bell: Bell) -> None:
        self._desk = desk
        self._server = server
        self._bell = bell
        self.following = Following(desk.engine, self._emit, self._has_sockets)
        bell.on("reply", self.following.ring)
        server.on("connect", self._connect)
        server.on("disconnect", self._disconnect)
        handlers: dict[str, Callable[[str, object], Awaitable[Answer]]] = {
            "session_request": self._request_session,
            "user_uttered": self._take,
            "polydesk_resume": self._resume,
            "polydesk_consent": self._consent,
            "polydesk_rate": self._rate,
            "polydesk_score": self._score,
        }
        for event, handler in handlers.items():
            server.on(event, self._guarded(event, handler))

    async def turn(self, message: Stored, state: TurnState) -> None:
        """Tell the conversation's sockets how far its turn is."""
        body = {"message_id": message.message_id, "state": state}
        await self._server.emit("polydesk_turn", body, room=message.conversation)

    async def deliver(self, conversation: str) -> None:
        """Send what is stored to all of the conversation's sockets; one that is away asks for it when it is back.

        Each edge sends to its own, and another one is told to look.
        """
        await self.following.catch_up(conversation)
        self._bell.ring("reply", conversation)

    async def send(self, recipient: Recipient, reply: Outgoing) -> None:
        """Send one reply that is no part of a turn, or whose edge died before it was sent."""
        await self.deliver(recipient.conversation)

    async def _emit(self, conversation: str, reply: Outgoing) -> None:
        await self._server.emit("bot_uttered", to_wire(reply), room=conversation, ignore_queue=True)

    def _has_sockets(self, conversation: str) -> bool:
        return any(True for _ in self._server.manager.get_participants("/", conversation))

    def _guarded(self, event: str, handler: Callable[[str, object], Awaitable[Answer]]) -> Callable[..., Any]:
        async def guarded(sid: str, data: object = None, *_: object) -> Any:
            try:
                return await handler(sid, data)
            except Refusal as refusal:
                return await self._refuse(sid, refusal, aloud=event in RASAS_EVENTS and not has_own_id(data))
            except SQLAlchemyError as error:
                # Not acknowledged, because it is not stored: the widget sends it again.
                structlog.get_logger().error("widget.database", error=type(error).__name__)
                return self._server.not_handled

        return guarded

    async def _connect(self, sid: str, *_: object) -> None:
        # A client may send events of this name and the next, whose bodies would be its own word for where it is.
        if "address" in await self._server.get_session(sid):
            return
        client = self._server.get_environ(sid).get("asgi.scope", {}).get("client")
        await self._server.save_session(sid, {"address": client[0] if client else None})
        self._desk.metrics.sockets.inc()

    async def _disconnect(self, sid: str, *_: object) -> None:
        if not self._server.manager.is_connected(sid, "/"):
            self._desk.metrics.sockets.dec()

    async def _request_session(self, sid: str, data: object) -> Answer:
        request = convert({} if data is None else data, SessionRequest)
        metadata = request.metadata or NO_METADATA
        market = check_market(metadata.market, self._desk.markets)
        customer = self._desk.customers.check(metadata.identity)
        conversation = await self._conversation(request.session_id)
        if conversation is None or not await self._is_theirs(conversation, customer):
            conversation = await self._begin(sid, market, customer)
        elif market and market.code != conversation.market:
            await asyncio.to_thread(self._desk.conversations.set_market, conversation.id, market.code)
        hint = known_language(metadata.language_hint, self._desk.markets)
        await self._join(sid, conversation, hint)
        await self._greet(conversation, market or self._desk.markets[conversation.market], hint)
        conversation = await self._own(sid)
        self.following.begin(conversation.id, after=conversation.last_number)
        await self._tell_ready(sid, conversation, market or self._desk.markets[conversation.market], hint)
        return OK

    async def _conversation(self, token: object) -> Conversation | None:
        key = self._desk.identity.conversation(token)
        return await asyncio.to_thread(self._desk.conversations.find, key, channel=CHANNEL) if key else None

    async def _is_theirs(self, conversation: Conversation, customer: Customer | None) -> bool:
        """Note whose conversation it is; False if another customer's: two people at one screen share no history."""
        return customer is None or await asyncio.to_thread(self._desk.customers.keep, conversation.id, customer)

    async def _begin(self, sid: str, market: Market | None, customer: Customer | None) -> Conversation:
        session = await self._server.get_session(sid)
        if not await self._desk.rates.allows(sender=f"{CHANNEL}:socket:{sid}", address=session["address"]):
            raise Refusal("too_many", 429)
        code = (market or self._desk.home_market(customer)).code
        conversation = await asyncio.to_thread(self._desk.conversations.open, CHANNEL, market=code)
        await self._is_theirs(conversation, customer)
        return conversation

    async def _join(self, sid: str, conversation: Conversation, hint: str | None) -> None:
        """Make this the socket's conversation and confirm it, as Rasa does, with one string."""
        session = await self._server.get_session(sid)
        if session.get("conversation") not in (None, conversation.id):
            await self._server.leave_room(sid, session["conversation"])
        await self._server.save_session(sid, {**session, "conversation": conversation.id, "hint": hint})
        await self._server.enter_room(sid, conversation.id)
        await self._server.emit("session_confirm", self._desk.identity.sign(conversation.id), room=sid)

    async def _greet(self, conversation: Conversation, market: Market, hint: str | None) -> None:
        if conversation.last_number > 0:
            return
        try:
            greeting = await self._desk.rasa.greeting(conversation.id, market=market.code, language_hint=hint)
        except (RasaUnavailable, TurnFailed) as error:
            structlog.get_logger().warning("widget.no_greeting", reason=str(error))
            return
        await asyncio.to_thread(self._desk.outbox.greet, conversation.id, greeting)

    async def _tell_ready(self, sid: str, conversation: Conversation, market: Market, hint: str | None) -> None:
        language = conversation.language or hint or market.language
        body = {
            "market": market.code,
            "language": language,
            "direction": self._desk.markets.direction(language),
            "languages": list(self._desk.markets.languages),
            "texts": self._desk.texts.widget(language),
            "consent": {
                "asked": await asyncio.to_thread(self._desk.feedback.asked, conversation.id),
                "version": CONSENT_VERSION,
            },
            "privacy_url": self._desk.settings.privacy_url.replace("{market}", market.code),
            "history": await asyncio.to_thread(history, self._desk.engine, conversation.id),
        }
        await self._server.emit("polydesk_ready", body, room=sid)

    async def _take(self, sid: str, data: object) -> Answer:
        uttered = convert(data, UserUttered)
        if len(uttered.message.encode(errors="replace")) > BODY_LIMIT:
            raise Refusal("too_long", limit=TEXT_LIMIT)
        check_text(uttered.message)
        metadata = uttered.metadata or NO_METADATA
        check_storable(metadata.message_id or "")
        market = check_market(metadata.market, self._desk.markets)
        customer = self._desk.customers.check(metadata.identity)
        conversation = await self._speakers_conversation(sid, uttered.session_id, market, customer)
        session = await self._server.get_session(sid)
        if not await self._desk.rates.allows(sender=f"{CHANNEL}:{conversation.id}", address=session["address"]):
            raise Refusal("too_many", 429)
        if market and market.code != conversation.market:
            await asyncio.to_thread(self._desk.conversations.set_market, conversation.id, market.code)
        incoming = Incoming(
            channel=CHANNEL,
            account=conversation.id,
            conversation=conversation.id,
            message_id=metadata.message_id or str(uuid.uuid4()),
            text=uttered.message,
            market=market.code if market else conversation.market,
            language_hint=known_language(metadata.language_hint, self._desk.markets) or session.get("hint"),
        )
        stored, is_new = await asyncio.to_thread(self._desk.inbox.store, incoming)
        if is_new:
            self._desk.metrics.messages.labels(channel=CHANNEL).inc()
        if stored.state == WAITING:
            self._desk.dispatch.wake(conversation.id)
        else:
            await self._send(sid, await asyncio.to_thread(self._desk.outbox.answers, stored))
        return {"ok": True, "message_id": stored.message_id, "id": stored.number}

    async def _speakers_conversation(
        self, sid: str, token: object, market: Market | None, customer: Customer | None
    ) -> Conversation:
        """Return whom a message is from: the token's conversation, the socket's, or, without either, a new one's.

        A message with another customer's identity begins a conversation of hers.
        """
        session = await self._server.get_session(sid)
        if token is not None:
            conversation = await self._conversation(token)
            if conversation is None:
                raise Refusal("no_session", 403)
        elif "conversation" in session:
            conversation = await self._own(sid)
        else:
            conversation = await self._begin(sid, market, customer)
        if not await self._is_theirs(conversation, customer):
            conversation = await self._begin(sid, market, customer)
        if conversation.id != session.get("conversation"):
            await self._join(sid, conversation, session.get("hint"))
            self.following.begin(conversation.id, after=conversation.last_number)
        return conversation

    async def _own(self, sid: str) -> Conversation:
        """Return the socket's conversation; raises `Refusal` if it has none."""
        session = await self._server.get_session(sid)
        key = session.get("conversation")
        conversation = await asyncio.to_thread(self._desk.conversations.find, key, channel=CHANNEL) if key else None
        if conversation is None:
            raise Refusal("no_session", 403)
        return conversation

    async def _resume(self, sid: str, data: object) -> Answer:
        last_id = convert(data, Resume).last_id or 0
        conversation = await self._own(sid)
        await self._send(sid, await asyncio.to_thread(self._desk.outbox.after, conversation.id, last_id))
        return OK

    async def _consent(self, sid: str, data: object) -> Answer:
        given = convert(data, Consent).given
        conversation = await self._own(sid)
        await asyncio.to_thread(self._desk.feedback.consent, conversation.id, given=given)
        return OK

    async def _rate(self, sid: str, data: object) -> Answer:
        rating = convert(data, Rating)
        conversation = await self._own(sid)
        if not await asyncio.to_thread(self._desk.feedback.rate, conversation.id, rating.id, rating.value):
            raise Refusal("unreadable", detail="no such reply")
        return OK

    async def _score(self, sid: str, data: object) -> Answer:
        score = convert(data, Score).score
        conversation = await self._own(sid)
        await asyncio.to_thread(self._desk.feedback.score, conversation.id, score)
        return OK

    async def _send(self, sid: str, outgoing: Sequence[Outgoing]) -> None:
        for reply in outgoing:
            await self._server.emit("bot_uttered", to_wire(reply), room=sid)

    async def _refuse(self, sid: str, refusal: Refusal, *, aloud: bool) -> Answer:
        self._desk.metrics.refusals.labels(channel=CHANNEL, reason=refusal.name).inc()
        language = await self._language(sid)
        error = self._desk.refusal_text(refusal, language)
        if aloud:
            metadata = {"name": f"edge_{refusal.name}", "language": language}
            await self._server.emit("bot_uttered", {"text": error, "metadata": metadata}, room=sid)
        return {"ok": False, "error": error, "reason": refusal.name}

    async def _language(self, sid: str) -> str:
        session = await self._server.get_session(sid)
        try:
            conversation = await self._own(sid)
        except Refusal:
            return str(session.get("hint") or self._desk.markets.languages[0])
        return conversation.language or session.get("hint") or self._desk.markets[conversation.market].language
