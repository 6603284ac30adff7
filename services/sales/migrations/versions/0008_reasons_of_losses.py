"""reasons of losses from a pick-list."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("lost_reason_id", sa.UUID(as_uuid=False), nullable=True)
    op.add_column("opportunity", column, if_not_exists=True)
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_opportunity_lost_reason_id")
        op.create_index(
            "ix_opportunity_lost_reason_id",
            "opportunity",
            ["tenant_id", "lost_reason_id", "id"],
            unique=False,
            postgresql_concurrently=True,
        )
        # Without statistics a filter by it would be looked for from row to row.
        op.execute("ANALYZE opportunity (lost_reason_id)")
