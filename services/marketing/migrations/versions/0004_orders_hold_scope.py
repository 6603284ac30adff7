"""indexes of orders hold what row scope needs.

Each is built beside the old one while writes go on, and takes its place.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_campaign_budget": "campaign (tenant_id, budget, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_campaign_budget_desc": "campaign (tenant_id, budget DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_campaign_create_time": "campaign (tenant_id, create_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_campaign_end_date": "campaign (tenant_id, end_date, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_campaign_end_date_desc": "campaign (tenant_id, end_date DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_campaign_name": "campaign (tenant_id, name, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_campaign_start_date": "campaign (tenant_id, start_date, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_campaign_start_date_desc": "campaign (tenant_id, start_date DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_campaign_update_time": "campaign (tenant_id, update_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, on in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_held")
            op.execute(f"CREATE INDEX CONCURRENTLY {name}_held ON {on}")
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"ALTER INDEX {name}_held RENAME TO {name}")
