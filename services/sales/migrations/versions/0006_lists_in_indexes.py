"""indexes of lists hold what lists are filtered and ordered by.

Each is built beside the old one while writes go on, and takes its place.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_opportunity_external_source": "opportunity (tenant_id, external_source, id) WHERE external_source IS NOT NULL",
    "ix_opportunity_amount": "opportunity (tenant_id, amount, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, expected_close_date, close_date, state)",
    "ix_opportunity_amount_desc": "opportunity (tenant_id, amount DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, expected_close_date, close_date, state)",
    "ix_opportunity_close_date": "opportunity (tenant_id, close_date, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, amount, expected_close_date, state)",
    "ix_opportunity_close_date_desc": "opportunity (tenant_id, close_date DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, amount, expected_close_date, state)",
    "ix_opportunity_create_time": "opportunity (tenant_id, create_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, update_time, amount, expected_close_date, close_date, state)",
    "ix_opportunity_department_id": "opportunity (tenant_id, department_id, id) INCLUDE (owner_id, partner_company_id, delete_time, create_time, update_time, amount, expected_close_date, close_date, state, name)",
    "ix_opportunity_expected_close_date": "opportunity (tenant_id, expected_close_date, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, amount, close_date, state)",
    "ix_opportunity_expected_close_date_desc": "opportunity (tenant_id, expected_close_date DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, amount, close_date, state)",
    "ix_opportunity_name": "opportunity (tenant_id, name, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, amount, expected_close_date, close_date, state)",
    "ix_opportunity_owner_id": "opportunity (tenant_id, owner_id, id) INCLUDE (department_id, partner_company_id, delete_time, create_time, update_time, amount, expected_close_date, close_date, state, name)",
    "ix_opportunity_state_close_date": "opportunity (tenant_id, state, close_date, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, amount, expected_close_date)",
    "ix_opportunity_state_close_date_desc": "opportunity (tenant_id, state, close_date DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, amount, expected_close_date)",
    "ix_opportunity_update_time": "opportunity (tenant_id, update_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, amount, expected_close_date, close_date, state)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, on in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_held")
            op.execute(f"CREATE INDEX CONCURRENTLY {name}_held ON {on}")
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"ALTER INDEX {name}_held RENAME TO {name}")
