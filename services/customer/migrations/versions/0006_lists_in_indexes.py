"""indexes of lists hold what lists are filtered and ordered by.

Each is built beside the old one while writes go on, and takes its place.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_contact_external_source": "contact (tenant_id, external_source, id) WHERE external_source IS NOT NULL",
    "ix_customer_external_source": "customer (tenant_id, external_source, id) WHERE external_source IS NOT NULL",
    "ix_contact_create_time": "contact (tenant_id, create_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, update_time)",
    "ix_contact_department_id": "contact (tenant_id, department_id, id) INCLUDE (owner_id, partner_company_id, delete_time, create_time, update_time, name)",
    "ix_contact_name": "contact (tenant_id, name, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time)",
    "ix_contact_owner_id": "contact (tenant_id, owner_id, id) INCLUDE (department_id, partner_company_id, delete_time, create_time, update_time, name)",
    "ix_contact_update_time": "contact (tenant_id, update_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time)",
    "ix_customer_annual_revenue": "customer (tenant_id, annual_revenue, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, number, kind, industry, employee_count, life_cycle)",
    "ix_customer_annual_revenue_desc": "customer (tenant_id, annual_revenue DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, number, kind, industry, employee_count, life_cycle)",
    "ix_customer_create_time": "customer (tenant_id, create_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, update_time, annual_revenue, number, kind, industry, employee_count, life_cycle)",
    "ix_customer_department_id": "customer (tenant_id, department_id, id) INCLUDE (owner_id, partner_company_id, delete_time, create_time, update_time, annual_revenue, number, kind, industry, employee_count, life_cycle, name)",
    "ix_customer_name": "customer (tenant_id, name, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, annual_revenue, number, kind, industry, employee_count, life_cycle)",
    "ix_customer_owner_id": "customer (tenant_id, owner_id, id) INCLUDE (department_id, partner_company_id, delete_time, create_time, update_time, annual_revenue, number, kind, industry, employee_count, life_cycle, name)",
    "ix_customer_update_time": "customer (tenant_id, update_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, annual_revenue, number, kind, industry, employee_count, life_cycle)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, on in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_held")
            op.execute(f"CREATE INDEX CONCURRENTLY {name}_held ON {on}")
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"ALTER INDEX {name}_held RENAME TO {name}")
