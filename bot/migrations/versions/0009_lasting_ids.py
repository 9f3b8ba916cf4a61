"""No transcript and no message gets the id of one that was erased: releases' lineages name them by it.

PostgreSQL never gave an id twice. SQLite says so when a table is made, so both are made anew.
"""

from __future__ import annotations

from alembic import op

revision = "0009_lasting_ids"
down_revision = "0008_no_review_scores"
branch_labels = None
depends_on = None

# Those that refer to another first.
REFERRING = ("review_skips", "labels", "transcript_messages")


def upgrade() -> None:
    _make_anew(lasting_ids=True)


def downgrade() -> None:
    _make_anew(lasting_ids=False)


def _make_anew(*, lasting_ids: bool) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    # What the old tables held shall not outlive an erasure in the file's free pages.
    op.execute("PRAGMA secure_delete = ON")
    # Dropping a table deletes, by cascade, what refers to its rows: these are elsewhere meanwhile.
    for table in REFERRING:
        op.execute(f"CREATE TEMPORARY TABLE kept_{table} AS SELECT * FROM {table}")  # noqa: S608
        op.execute(f"DELETE FROM {table}")  # noqa: S608
    for table in ("transcripts", "transcript_messages"):
        with op.batch_alter_table(table, recreate="always", table_kwargs={"sqlite_autoincrement": lasting_ids}):
            pass
    for table in reversed(REFERRING):
        op.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")  # noqa: S608
        op.execute(f"DROP TABLE kept_{table}")
