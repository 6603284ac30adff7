"""own fields and choices are searched."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("choice_search", "custom_field_search"):
        op.create_table(
            name,
            sa.Column("tenant_id", sa.UUID(as_uuid=False), nullable=False),
            sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
            sa.Column("tokens", postgresql.ARRAY(sa.Integer()), nullable=False),
            sa.Column("texts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
            sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f(f"pk_{name}")),
            if_not_exists=True,
        )
        op.create_index(
            f"ix_{name}_tokens",
            name,
            ["tokens"],
            unique=False,
            if_not_exists=True,
            postgresql_using="gin",
            postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "64"},
        )
