"""reasons of losses from a pick-list."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("opportunity_fact", "rebuilt_fact"):
        op.add_column(table, sa.Column("lost_reason_id", sa.UUID(as_uuid=False), nullable=True))
