"""The handoff: how a conversation goes from the bot to an agent and back, and what an agent says in between.

Touches the database: each step is one transaction, in which the customer is told as well. Rasa is told nothing: its
tracker stays as it is, so that after the handback a form goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import transaction
from bot.agent_tables import agents, notes
from bot.conversations import AGENT, BOT, CLOSED, QUEUED, Conversation, hold
from bot.inbox import leave_waiting
from bot.outbox import Outbox, Outgoing
from bot.ownership import ChangeRefused, Owner, change, owner_of, queue
from bot.texts import Texts
from nlu.markets import Market, Markets

Role = Literal["agent", "supervisor", "admin"]
ROLES: tuple[Role, ...] = ("agent", "supervisor", "admin")  # each may do what those before it may

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Agent:
    """One of the people behind the bot."""

    id: int
    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Tell whether the agent may do what a role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


def market_of(markets: Markets, code: str) -> Market:
    """Return a conversation's market; the first one for a market that is not sold in any more."""
    return markets.by_code.get(code) or markets.rows[0]


class NoSuchAgent(LookupError):
    """A conversation was to be given to somebody who is not there, or no longer."""


class Handoff:
    """The steps. Each raises `ChangeRefused` when the conversation's present owner does not allow it.

    An agent acts on her own conversations; a supervisor on everyone's, but she writes only in her own.
    """

    def __init__(self, engine: Engine, texts: Texts, markets: Markets, *, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._texts = texts
        self._markets = markets
        self._clock = clock

    def queue(self, conversation: str, *, reason: str, ticket: str | None = None) -> None:
        """Have the bot's conversation wait for an agent."""
        with transaction(self._engine) as session:
            queue(session, conversation, at=self._clock(), reason=reason, ticket=ticket)

    def claim(self, conversation: str, agent: Agent) -> None:
        """Take a conversation over. From now on the bot says nothing, not even what it is just thinking of."""
        with transaction(self._engine) as session:
            owner = owner_of(session, conversation)
            if owner.status != QUEUED and not agent.may("supervisor"):
                raise ChangeRefused(owner, AGENT)
            reason = "taken_over" if owner.status == AGENT else "claimed"
            change(session, conversation, AGENT, at=self._clock(), reason=reason, agent=agent.id, by=agent.id)
            leave_waiting(session, conversation)
            self.tell(session, conversation, "handoff_joined", agent=agent.name)

    def reply(self, conversation: str, agent: Agent, text: str) -> Outgoing:
        """Say something to the customer."""
        with transaction(self._engine) as session:
            owner = owner_of(session, conversation)
            if owner.agent != agent.id:
                raise ChangeRefused(owner, AGENT)
            return Outbox.say(
                session,
                conversation,
                author="agent",
                name="agent_reply",
                language=self._language(hold(session, conversation)),
                text=text,
                agent_id=agent.id,
            )

    def note(self, conversation: str, agent: Agent, text: str) -> None:
        """Leave a note that customers never see."""
        with transaction(self._engine) as session:
            self._note(session, conversation, agent, text)

    def transfer(self, conversation: str, agent: Agent, to: int, *, note: str = "") -> None:
        """Give a conversation to another agent, with a note for her; raises `NoSuchAgent`."""
        with transaction(self._engine) as session:
            self._check_hers(owner_of(session, conversation), agent, AGENT)
            other = session.execute(
                select(agents.c.name).where(agents.c.id == to, agents.c.disabled_at.is_(None))
            ).one_or_none()
            if other is None:
                raise NoSuchAgent(to)
            change(session, conversation, AGENT, at=self._clock(), reason="transferred", agent=to, by=agent.id)
            if note:
                self._note(session, conversation, agent, note)
            self.tell(session, conversation, "handoff_transferred", agent=other.name)

    def put_back(self, conversation: str, agent: Agent) -> None:
        """Put a conversation back into the queue, for whoever takes it next."""
        with transaction(self._engine) as session:
            self._check_hers(owner_of(session, conversation), agent, QUEUED)
            change(session, conversation, QUEUED, at=self._clock(), reason="put_back", by=agent.id)
            self.tell(session, conversation, "handoff_agent_silent")

    def hand_back(self, conversation: str, agent: Agent) -> None:
        """Give a conversation back to the bot, which goes on where it was."""
        with transaction(self._engine) as session:
            owner = owner_of(session, conversation)
            self._check_hers(owner, agent, BOT)
            change(session, conversation, BOT, at=self._clock(), reason="handed_back", by=agent.id)
            # Out of the queue, the customer had the bot all the time.
            if owner.status == AGENT:
                self.tell(session, conversation, "handoff_handed_back")

    def close(self, conversation: str, agent: Agent) -> None:
        """End a conversation, until the customer writes again."""
        with transaction(self._engine) as session:
            self._check_hers(owner_of(session, conversation), agent, CLOSED)
            change(session, conversation, CLOSED, at=self._clock(), reason="closed", by=agent.id)
            leave_waiting(session, conversation)
            self.tell(session, conversation, "handoff_closed")

    def tell(self, session: Session, conversation: str, name: str, **values: str) -> Outgoing:
        """Tell the customer, in her language, how her conversation stands; within the caller's transaction."""
        held = hold(session, conversation)
        language = self._language(held)
        contact = market_of(self._markets, held.market).contact
        text = self._texts.edge(language, name, **{**contact.hours, **values})
        return Outbox.say(session, conversation, author="edge", name=f"edge_{name}", language=language, text=text)

    def _language(self, conversation: Conversation) -> str:
        return conversation.language or market_of(self._markets, conversation.market).language

    def _note(self, session: Session, conversation: str, agent: Agent, text: str) -> None:
        session.execute(
            notes.insert().values(
                conversation_id=conversation,
                after=hold(session, conversation).last_number,
                at=self._clock(),
                agent_id=agent.id,
                text=text,
            )
        )

    @staticmethod
    def _check_hers(owner: Owner, agent: Agent, to: str) -> None:
        """Raise `ChangeRefused` for what is not hers: what waits is every agent's, the rest the owner's."""
        if owner.status != QUEUED and owner.agent != agent.id and not agent.may("supervisor"):
            raise ChangeRefused(owner, to)
