"""Takes what an account's customers write into the inbox: each message once, one sender's in their order.

What the bot cannot use is stored as well, and answered by the edge in the customer's language. Touches the database.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from weakref import WeakValueDictionary

import structlog

from bot.channels.formatting import chosen
from bot.channels.provider import Provider, Received
from bot.checks import MESSAGE_ID_LIMIT, Refusal, check_storable, check_text, known_language
from bot.conversations import Conversation
from bot.delivery import Recipient
from bot.desk import Desk
from bot.inbox import REFUSED, Incoming, Kind, Stored
from bot.rasa_client import RasaUnavailable, TurnFailed

SENDER_LIMIT = 255  # characters
NO_CHARACTER = "\ufffd"


class Intake:
    """One account's."""

    def __init__(self, desk: Desk, provider: Provider) -> None:
        self._desk = desk
        self._provider = provider
        self._channel = provider.channel
        self._account = provider.account.name
        self._market = provider.account.market or desk.markets.rows[0].code
        # Requests that came one after the other would otherwise be stored by threads that overtake each other.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def take(self, received: Received) -> Stored:
        """Store a message unless it is known, and have it answered; raises `Refusal` for one without usable ids."""
        received = _checked(received)
        turn = self._turns.setdefault(received.sender, asyncio.Lock())
        async with turn:
            known = await asyncio.to_thread(
                self._desk.inbox.find, self._channel, account=self._account, message_id=received.message_id
            )
            if known:
                return known
            received = await self._within_limits(received)
            stored, is_new = await asyncio.to_thread(self._store, received)
        if is_new:
            self._desk.metrics.messages.labels(channel=self._channel).inc()
            self._desk.dispatch.wake(stored.conversation)
        return stored

    async def greet(self, received: Received) -> None:
        """Greet a customer who comes for the first time; one who comes back has her conversation before her."""
        desk, received = self._desk, _checked(received)
        conversation = await asyncio.to_thread(self._conversation, received.sender)
        if conversation.last_number > 0:
            return
        hint = known_language(received.language_hint, desk.markets)
        try:
            greeting = await desk.rasa.greeting(conversation.id, market=self._market, language_hint=hint)
        except (RasaUnavailable, TurnFailed) as error:
            structlog.get_logger().warning("channel.no_greeting", channel=self._channel, reason=str(error))
            return
        await asyncio.to_thread(desk.outbox.greet, conversation.id, greeting)
        desk.dispatch.deliver_soon(conversation.id)

    async def _within_limits(self, received: Received) -> Received:
        sender = f"{self._channel}:{self._account}:{received.sender}"
        try:
            # The provider's address says nothing about one of its customers.
            if not await self._desk.rates.allows(sender=sender, address=None, trusted=True):
                raise Refusal("too_many")
            if received.kind == "text" and received.payload is None:
                check_text(received.text)
        except Refusal as refusal:
            self._desk.metrics.refusals.labels(channel=self._channel, reason=refusal.name).inc()
            attachment = {**(received.attachment or {}), REFUSED: refusal.name}
            return replace(received, kind="other", payload=None, attachment=attachment)
        return received

    def _store(self, received: Received) -> tuple[Stored, bool]:
        conversation = self._conversation(received.sender)
        recipient = Recipient(
            channel=self._channel,
            account=self._account,
            sender=received.sender,
            conversation=conversation.id,
            language=conversation.language,
            last_customer_at=conversation.last_customer_at,
        )
        kind, text = self._meant(received, recipient)
        return self._desk.inbox.store(
            Incoming(
                channel=self._channel,
                account=self._account,
                conversation=conversation.id,
                message_id=received.message_id,
                text=text,
                market=self._market,
                language_hint=known_language(received.language_hint, self._desk.markets),
                kind=kind,
                attachment=received.attachment,
            )
        )

    def _conversation(self, sender: str) -> Conversation:
        conversations = self._desk.conversations
        conversation = conversations.open(self._channel, account=self._account, sender=sender, market=self._market)
        if conversation.market != self._market:
            conversations.set_market(conversation.id, self._market)
        return conversation

    def _meant(self, received: Received, recipient: Recipient) -> tuple[Kind, str]:
        """Return kind and text: a button that is still offered, pressed or chosen by its number, is its payload."""
        if received.kind != "text":
            return received.kind, received.text
        outbox = self._desk.outbox
        if received.payload is not None:
            if outbox.offers(recipient.conversation, received.payload):
                return "button", received.payload
            return "text", received.text or received.payload
        # Each reply's list counts from one: the customer has the last one before her eyes.
        offered = next(filter(None, reversed(outbox.offered(recipient.conversation))), [])
        button = None if self._provider.form(recipient).shows(offered) else chosen(received.text, offered)
        return ("button", button["payload"]) if button else ("text", received.text)


def _checked(received: Received) -> Received:
    """Return the message with an id and a text that the database can keep."""
    if not received.message_id or not 0 < len(received.sender) <= SENDER_LIMIT:
        raise Refusal("unreadable", detail="a message without sender or id")
    check_storable(received.sender)
    message_id = check_storable(received.message_id)
    if len(message_id) > MESSAGE_ID_LIMIT:
        message_id = hashlib.sha256(message_id.encode()).hexdigest()
    text = "".join(NO_CHARACTER if each == "\0" or "\ud800" <= each <= "\udfff" else each for each in received.text)
    return replace(received, message_id=message_id, text=text)
