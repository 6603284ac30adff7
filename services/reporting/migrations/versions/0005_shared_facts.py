"""shared facts: with whom an opportunity is shared; a rebuild tells it of those shared before."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAME = "ix_opportunity_fact_grantee_ids"


def upgrade() -> None:
    ids = postgresql.ARRAY(sa.UUID(as_uuid=False))
    for table in ("opportunity_fact", "rebuilt_fact"):
        column = sa.Column[list[str]]("grantee_ids", ids, nullable=True)
        op.add_column(table, column, if_not_exists=True)
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        op.create_index(
            NAME,
            "opportunity_fact",
            ["tenant_id", "grantee_ids"],
            unique=False,
            postgresql_using="gin",
            postgresql_where=sa.text("grantee_ids IS NOT NULL"),
            postgresql_concurrently=True,
        )
