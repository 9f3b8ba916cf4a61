"""Who is signed in: sessions kept in the database, named by a random token that only the browser knows.

A session ends when it was not used for an hour, and in any case after twelve; a page that refreshes itself does not
count as use, but shows that its agent is there.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from bot.agent_tables import agent_sessions, agents
from bot.handoff import Agent, Clock, utc_now

IDLE = timedelta(hours=1)
LASTS = timedelta(hours=12)
# How exact `used_at` and `seen_at` are: not every request of a page that asks every two seconds is to be a write.
EXACT = timedelta(seconds=20)


@dataclass(frozen=True)
class SignedIn:
    """A session that holds: whose, and what its forms must carry."""

    agent: Agent
    available: bool
    csrf: str


class Sessions:
    """All sessions of one database."""

    def __init__(self, engine: Engine, *, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._clock = clock

    def begin(self, agent: Agent) -> str:
        """Sign an agent in and return the session's token; sessions that have run out are cleared away."""
        now, token = self._clock(), secrets.token_urlsafe(32)
        with transaction(self._engine) as session:
            session.execute(
                delete(agent_sessions).where(
                    (agent_sessions.c.begun_at < now - LASTS) | (agent_sessions.c.used_at < now - IDLE)
                )
            )
            session.execute(
                agent_sessions.insert().values(
                    token_hash=_hash(token),
                    agent_id=agent.id,
                    csrf=secrets.token_urlsafe(32),
                    begun_at=now,
                    used_at=now,
                    seen_at=now,
                )
            )
        return token

    def find(self, token: str, *, refreshing: bool = False) -> SignedIn | None:
        """Return the token's session and note that it is used, or, if only refreshing, that its agent is there."""
        now = self._clock()
        query = (
            select(agent_sessions, agents.c.name, agents.c.role, agents.c.available)
            .join(agents, agents.c.id == agent_sessions.c.agent_id)
            .where(
                agent_sessions.c.token_hash == _hash(token),
                agent_sessions.c.begun_at >= now - LASTS,
                agent_sessions.c.used_at >= now - IDLE,
                agents.c.disabled_at.is_(None),
            )
        )
        with reading(self._engine) as session:
            row = session.execute(query).one_or_none()
        if row is None:
            return None
        if now - (row.seen_at if refreshing else row.used_at) > EXACT:
            values = {"seen_at": now} if refreshing else {"seen_at": now, "used_at": now}
            with transaction(self._engine) as session:
                this = agent_sessions.c.token_hash == row.token_hash
                session.execute(update(agent_sessions).where(this).values(values))
        return SignedIn(Agent(row.agent_id, row.name, row.role), row.available, row.csrf)

    def end(self, token: str) -> None:
        """Sign out."""
        with transaction(self._engine) as session:
            session.execute(delete(agent_sessions).where(agent_sessions.c.token_hash == _hash(token)))

    def end_others(self, agent: Agent, token: str) -> None:
        """End all of an agent's sessions but this one."""
        others = (agent_sessions.c.agent_id == agent.id, agent_sessions.c.token_hash != _hash(token))
        with transaction(self._engine) as session:
            session.execute(delete(agent_sessions).where(*others))


def _hash(token: str) -> str:
    # The token is random and long: nothing slow is needed against guessing.
    return hashlib.sha256(token.encode()).hexdigest()
