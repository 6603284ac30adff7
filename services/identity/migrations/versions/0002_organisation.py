"""organisation

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-22 05:10:00

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "department", sa.Column("kind", sa.Text(), server_default="DEPARTMENT", nullable=False)
    )
    op.add_column("department", sa.Column("partner_kind", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_department_kind"), "department", "kind IN ('DEPARTMENT','PARTNER_COMPANY')"
    )
    op.create_check_constraint(
        op.f("ck_department_partner_kind"),
        "department",
        "partner_kind IN ('DEALER','AGENT','PROVIDER')",
    )
    op.add_column("role", sa.Column("description", sa.Text(), nullable=True))
    op.add_column("role", sa.Column("key", sa.Text(), nullable=True))
    op.add_column(
        "role", sa.Column("partner_company_id", postgresql.UUID(as_uuid=False), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("role", "partner_company_id")
    op.drop_column("role", "key")
    op.drop_column("role", "description")
    op.drop_constraint(op.f("ck_department_partner_kind"), "department", type_="check")
    op.drop_constraint(op.f("ck_department_kind"), "department", type_="check")
    op.drop_column("department", "partner_kind")
    op.drop_column("department", "kind")
