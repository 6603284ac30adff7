"""customer numbers, life cycle and suppliers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "number_series",
        sa.Column("tenant_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("given", postgresql.INT8MULTIRANGE(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name=op.f("pk_number_series")),
    )
    op.add_column("customer", sa.Column("number", sa.Text(), nullable=True))
    op.add_column(
        "customer",
        sa.Column("life_cycle", sa.Text(), server_default="POTENTIAL", nullable=False),
    )
    op.add_column("customer", sa.Column("life_cycle_reason", sa.Text(), nullable=True))
    op.add_column(
        "customer",
        sa.Column("is_supplier", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_customer_life_cycle"),
        "customer",
        "life_cycle IN ('POTENTIAL','FOLLOWING','EXISTING','ELIMINATED')",
    )
    op.create_index("uq_customer_number", "customer", ["tenant_id", "number"], unique=True)
    op.create_index(
        "ix_customer_number_desc",
        "customer",
        ["tenant_id", sa.literal_column("number DESC NULLS LAST"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_customer_life_cycle", "customer", ["tenant_id", "life_cycle", "id"], unique=False
    )
    op.create_index(
        "ix_customer_is_supplier",
        "customer",
        ["tenant_id", "is_supplier", "id"],
        unique=False,
        postgresql_where=sa.text("is_supplier"),
    )
