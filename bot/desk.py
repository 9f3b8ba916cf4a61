"""The desk: everything of one edge that its channels share. Made once when the edge starts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Engine

from bot.checks import Refusal
from bot.conversations import Conversations
from bot.customer_identity import Customer
from bot.customers import Customers
from bot.delivery import Sender
from bot.dispatch import Dispatch
from bot.feedback import Feedback
from bot.identity import Identity
from bot.inbox import Inbox
from bot.metrics import Metrics
from bot.outbox import Outbox
from bot.rasa_client import RasaClient
from bot.rates import Rates
from bot.settings import Settings
from bot.texts import Texts
from nlu.markets import Market, Markets


@dataclass(frozen=True)
class Desk:
    """The edge's parts, for its channels; one whose customers have to be called puts its sender into `senders`."""

    settings: Settings
    engine: Engine
    markets: Markets
    texts: Texts
    identity: Identity
    customers: Customers
    rates: Rates
    metrics: Metrics
    conversations: Conversations
    inbox: Inbox
    outbox: Outbox
    feedback: Feedback
    dispatch: Dispatch
    rasa: RasaClient
    senders: dict[str, Sender]

    def home_market(self, customer: Customer | None) -> Market:
        """Return the market where none is named: the customer's as the shop says, else the first."""
        return self.markets.by_code.get(customer.market or "" if customer else "") or self.markets.rows[0]

    def refusal_text(self, refusal: Refusal, language: str) -> str:
        """Say in the customer's language why her message is not taken."""
        return self.texts.edge(language, refusal.name, **refusal.values)
