"""Both customers' installation, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Engine

from tests.bot.personal_data.people_for_tests import House, furnish


@pytest.fixture
def house(engine: Engine) -> Iterator[House]:
    house = furnish(engine.url.render_as_string(hide_password=False))
    yield house
    house.close()


@pytest.fixture
def sqlite_house(sqlite_engine: Engine) -> Iterator[House]:
    house = furnish(str(sqlite_engine.url))
    yield house
    house.close()
