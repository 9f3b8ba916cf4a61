"""Makes each change once: the change, its effect (idempotency key and result) and its audit in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy.engine import Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session

from actions.database import insert_if_new, transaction
from actions.shop import ShopUnavailable
from actions.tables import AuditRow, EffectRow

T = TypeVar("T")


@dataclass(frozen=True)
class Done(Generic[T]):
    """What a change did: its `result` for the caller, and for the audit its subject and details, both impersonal.

    `customer` is the id of the account that the result tells about.
    """

    result: T
    subject: str
    customer: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class KeyReused(ValueError):
    """An idempotency key was used for two different methods: a mistake in the caller."""


def once(
    engine: Engine, key: str, method: str, result_type: type[T], now: datetime, change: Callable[[Session], Done[T]]
) -> T:
    """Make a change under its key, or return what it returned before.

    A change that raises leaves nothing behind, its key included. A second call with the key, from any process, waits
    for the first to end.
    """
    with database_answers(), transaction(engine) as session:
        if not insert_if_new(session, EffectRow.__table__, key=key, method=method, created_at=now):
            known = session.get(EffectRow, key)
            if known.method != method:
                raise KeyReused(f"{key!r} is the key of {known.method}, not of {method}")
            return msgspec.convert(known.result, result_type)
        done = change(session)
        effect = session.get(EffectRow, key)
        effect.result, effect.customer_id = msgspec.to_builtins(done.result), done.customer
        session.add(AuditRow(at=now, method=method, subject=done.subject, details=dict(done.details)))
        return done.result


@contextmanager
def database_answers() -> Iterator[None]:
    """Turn a database that cannot be reached, or stays locked, into `ShopUnavailable`."""
    try:
        yield
    except (OperationalError, InterfaceError, NoConnectionFree) as error:
        raise ShopUnavailable(f"the shop's database does not answer: {type(error).__name__}") from error
