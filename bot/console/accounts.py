"""The agents' accounts: names, roles and passwords, kept as Argon2id hashes. Touches the database.

A wrong name and a wrong password give the same answer in the same time.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import delete, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import insert_if_new, reading, transaction
from actions.tables import AuditRow
from bot.agent_tables import agent_sessions, agents
from bot.handoff import ROLES, Agent, Clock, Role, utc_now
from bot.handoff_watch import agents_here

PASSWORD_LENGTH = range(12, 201)  # characters
NAME_LENGTH = range(1, 81)
EMAIL_LENGTH = 255
# Each check takes 64 MiB: more at once would let sign-ins exhaust the machine.
CHECKS_AT_ONCE = 2


class AccountError(ValueError):
    """An account cannot be made or changed like this; the message says why, for whoever asked."""


@dataclass(frozen=True)
class Account:
    """An account as its team sees it."""

    agent: Agent
    email: str | None
    created_at: datetime
    disabled_at: datetime | None
    available: bool
    here: bool


class Accounts:
    """All accounts of one database."""

    def __init__(self, engine: Engine, *, hasher: PasswordHasher | None = None, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._hasher = hasher or PasswordHasher()
        self._clock = clock
        self._checks = threading.BoundedSemaphore(CHECKS_AT_ONCE)

    def add(self, name: str, password: str, *, role: str, email: str | None = None, by: int | None = None) -> Agent:
        """Make an account; raises `AccountError` for a taken name, an unknown role or a short password."""
        name, email = name.strip(), (email or "").strip() or None
        if len(name) not in NAME_LENGTH or not name.isprintable():
            raise AccountError(f"A name has {NAME_LENGTH.start} to {NAME_LENGTH.stop - 1} printable characters.")
        if role not in ROLES:
            raise AccountError(f"There is no role {role!r}; there are {', '.join(ROLES)}.")
        if email and ("@" not in email or len(email) > EMAIL_LENGTH or not email.isprintable()):
            raise AccountError("This is no e-mail address.")
        password_hash = self._hashed(password)
        values = {"name": name, "email": email, "password_hash": password_hash, "role": role, "available": True}
        with transaction(self._engine) as session:
            if not insert_if_new(session, agents, **values, created_at=self._clock()):
                raise AccountError(f"There is already an account named {name}.")
            key = session.execute(select(agents.c.id).where(agents.c.name == name)).scalar_one()
            self._audit(session, "add_agent", key, by, role=role)
        return Agent(key, name, _role(role))

    def disable(self, name: str, *, by: int | None = None) -> None:
        """Shut an account and end its sessions; its conversations go back to the queue. Raises `AccountError`."""
        with transaction(self._engine) as session:
            row = session.execute(select(agents).where(agents.c.name == name).with_for_update()).one_or_none()
            if row is None:
                raise AccountError(f"There is no account named {name}.")
            if row.disabled_at is None:
                session.execute(update(agents).where(agents.c.id == row.id).values(disabled_at=self._clock()))
                self._audit(session, "disable_agent", row.id, by)
            session.execute(delete(agent_sessions).where(agent_sessions.c.agent_id == row.id))

    @cached_property
    def _nobodys_hash(self) -> str:
        """What the password of somebody who does not exist is compared with."""
        return self._hasher.hash(secrets.token_urlsafe())

    def check(self, name: str, password: str) -> Agent | None:
        """Return whom name and password belong to, None for nobody."""
        nobodys_hash = self._nobodys_hash  # made at the first try, whoever's it is
        this = select(agents).where(agents.c.name == name.strip(), agents.c.disabled_at.is_(None))
        with reading(self._engine) as session:
            row = session.execute(this).one_or_none()
        with self._checks:
            right = self._verify(row.password_hash if row else nobodys_hash, password)
        if row is None or not right:
            return None
        if self._hasher.check_needs_rehash(row.password_hash):
            self._store(row.id, self._hasher.hash(password))
        return Agent(row.id, row.name, row.role)

    def change_password(self, agent: Agent, old: str, new: str) -> None:
        """Give an account another password; raises `AccountError` if the old one is wrong or the new one too short."""
        if self.check(agent.name, old) is None:
            raise AccountError("The present password is not right.")
        self._store(agent.id, self._hashed(new))

    def set_available(self, agent: Agent, *, available: bool) -> None:
        """Say whether an agent takes new conversations."""
        with transaction(self._engine) as session:
            session.execute(update(agents).where(agents.c.id == agent.id).values(available=available))

    def all(self) -> list[Account]:
        """Return all accounts by name; `here` are those who have a page of the console open."""
        with reading(self._engine) as session:
            here = agents_here(session, self._clock())
            rows = session.execute(select(agents).order_by(agents.c.name)).all()
        return [
            Account(
                Agent(row.id, row.name, row.role),
                row.email,
                row.created_at,
                row.disabled_at,
                row.available,
                row.id in here,
            )
            for row in rows
        ]

    def _hashed(self, password: str) -> str:
        if len(password) not in PASSWORD_LENGTH:
            raise AccountError(f"A password has at least {PASSWORD_LENGTH.start} characters.")
        return self._hasher.hash(password)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerifyMismatchError, InvalidHashError):
            return False

    def _store(self, agent: int, password_hash: str) -> None:
        with transaction(self._engine) as session:
            session.execute(update(agents).where(agents.c.id == agent).values(password_hash=password_hash))

    def _audit(self, session: Session, method: str, agent: int, by: int | None, **details: str) -> None:
        details = {**details, "by": f"agent:{by}" if by else "command line"}
        session.add(AuditRow(at=self._clock(), method=method, subject=f"agent:{agent}", details=details))


def has_admin(engine: Engine) -> bool:
    """Tell whether somebody can look after the accounts in the console."""
    query = select(agents.c.id).where(agents.c.role == "admin", agents.c.disabled_at.is_(None))
    with reading(engine) as session:
        return session.execute(query.limit(1)).first() is not None


def _role(role: str) -> Role:
    return next(each for each in ROLES if each == role)
