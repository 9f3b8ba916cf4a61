"""What Alembic runs to migrate: one transaction on the engine that `migrate` gives, held alone."""

from alembic import context
from sqlalchemy import text

from actions.database import metadata
from bot.migrations import is_ours

LOCK = 7_269_001  # any number that nothing else in the database locks


def run() -> None:
    """Migrate in one transaction."""
    engine = context.config.attributes["engine"]
    with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.configure(connection=connection, target_metadata=metadata, include_name=is_ours, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()


run()
