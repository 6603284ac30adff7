"""opportunities of one state by close date, without passing over all others.

Built while writes go on.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_opportunity_state_close_date": "opportunity (tenant_id, state, close_date, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_opportunity_state_close_date_desc": "opportunity (tenant_id, state, close_date DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, on in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {on}")
