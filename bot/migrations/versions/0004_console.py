"""Reserved while its part is being written."""

from __future__ import annotations

revision = "0004_console"
down_revision = "0003_durable"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
