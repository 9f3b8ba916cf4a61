"""The history of all tables but Rasa's, in Alembic; configured here, so that there is no alembic.ini.

    migrate("sqlite:///var/polydesk.db")

A new revision: change a table in `actions`, `bot` or `training`, look at `differences`, write `versions/NNNN_WHAT.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.engine import Engine

from actions.database import metadata, open_engine

TABLES = ("actions.tables", "bot.tables", "bot.agent_tables", "training.tables")
# Rasa makes its own, SQLite as well.
NOT_OURS = frozenset({"events", "sqlite_sequence"})


def migrate(url: str, *, revision: str = "head") -> None:
    """Bring a database up to a revision; two at once wait for each other, and a failed one leaves nothing half done."""
    engine = open_engine(url)
    try:
        command.upgrade(_config(engine), revision)
    finally:
        engine.dispose()


def differences(engine: Engine) -> list[Any]:
    """Return how the database's tables differ from those in the code, as Alembic's autogenerate tells it."""
    for module in TABLES:
        import_module(module)
    with engine.connect() as connection:
        options = {"include_name": is_ours, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def is_ours(name: str | None, kind: str, parents: Mapping[Any, str | None]) -> bool:
    """Tell whether a table that the database has is ours to look after."""
    return kind != "table" or name not in NOT_OURS


def _config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config
