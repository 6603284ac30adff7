"""indexes of lists hold the country and the year of founding of customers.

Each is built beside the old one while writes go on, and takes its place.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_customer_annual_revenue": "customer (tenant_id, annual_revenue, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, number, kind, industry, country, founded_year, employee_count, life_cycle)",
    "ix_customer_annual_revenue_desc": "customer (tenant_id, annual_revenue DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, number, kind, industry, country, founded_year, employee_count, life_cycle)",
    "ix_customer_create_time": "customer (tenant_id, create_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, update_time, annual_revenue, number, kind, industry, country, founded_year, employee_count, life_cycle)",
    "ix_customer_department_id": "customer (tenant_id, department_id, id) INCLUDE (owner_id, partner_company_id, delete_time, create_time, update_time, annual_revenue, number, kind, industry, country, founded_year, employee_count, life_cycle, name)",
    "ix_customer_name": "customer (tenant_id, name, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, update_time, annual_revenue, number, kind, industry, country, founded_year, employee_count, life_cycle)",
    "ix_customer_owner_id": "customer (tenant_id, owner_id, id) INCLUDE (department_id, partner_company_id, delete_time, create_time, update_time, annual_revenue, number, kind, industry, country, founded_year, employee_count, life_cycle, name)",
    "ix_customer_update_time": "customer (tenant_id, update_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time, create_time, annual_revenue, number, kind, industry, country, founded_year, employee_count, life_cycle)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, on in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_held")
            op.execute(f"CREATE INDEX CONCURRENTLY {name}_held ON {on}")
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"ALTER INDEX {name}_held RENAME TO {name}")
