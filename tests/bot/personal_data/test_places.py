from __future__ import annotations

from importlib import import_module

import pytest
from sqlalchemy import Table

from actions.database import metadata
from bot.migrations import TABLES
from bot.personal_data.places import ERASED, KEPT, NOT_PERSONAL
from bot.tables import conversations

for module in TABLES:
    import_module(module)

NAMED = [place.table.name for place in (*ERASED, *KEPT)]
# A table that refers to one of these, or has such a column, says something of a customer.
OF_CUSTOMERS = {"conversations", "messages", "transcripts", "transcript_messages", "customers", "orders"}
TELLING = {"conversation", "conversation_id", "customer", "customer_id", "email", "sender", "recipient", "text"}


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_every_table_is_named_once_with_what_happens_to_it(name: str) -> None:
    assert [*NAMED, *NOT_PERSONAL].count(name) == 1


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_a_table_that_refers_to_customers_is_not_called_impersonal(name: str) -> None:
    table: Table = metadata.tables[name]
    refers = {key.column.table.name for key in table.foreign_keys} & OF_CUSTOMERS
    tells = {column.name for column in table.columns} & TELLING
    teams = {"agents", "agent_sessions", "canned_replies"}
    assert name in NAMED or name in teams or not (refers or tells)


def test_no_table_is_emptied_before_those_that_refer_to_it() -> None:
    order = [place.table.name for place in ERASED]
    for position, place in enumerate(ERASED):
        earlier = set(order[:position])
        assert not {key.column.table.name for key in place.table.foreign_keys} & earlier
    assert order[-1] == conversations.name
