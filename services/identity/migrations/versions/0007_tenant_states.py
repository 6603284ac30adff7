"""tenants are suspended, and begin their fiscal year when they like."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tenant", sa.Column("state", sa.Text(), server_default="ACTIVE", nullable=False))
    op.add_column(
        "tenant",
        sa.Column("fiscal_year_start_month", sa.SmallInteger(), server_default="1", nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_tenant_state"),
        "tenant",
        "state IN ('ACTIVE','SUSPENDED')",
        postgresql_not_valid=True,
    )
    op.execute("ALTER TABLE tenant VALIDATE CONSTRAINT ck_tenant_state")
