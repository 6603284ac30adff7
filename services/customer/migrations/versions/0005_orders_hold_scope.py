"""indexes of orders hold what row scope needs.

Each is built beside the old one while writes go on, and takes its place.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_customer_annual_revenue": "customer (tenant_id, annual_revenue, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_customer_annual_revenue_desc": "customer (tenant_id, annual_revenue DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_customer_create_time": "customer (tenant_id, create_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_customer_name": "customer (tenant_id, name, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_customer_number_desc": "customer (tenant_id, number DESC NULLS LAST, id DESC) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_customer_update_time": "customer (tenant_id, update_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "uq_customer_number": "customer (tenant_id, number) INCLUDE (id, owner_id, department_id, partner_company_id, delete_time)",
    "ix_contact_create_time": "contact (tenant_id, create_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_contact_name": "contact (tenant_id, name, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_contact_update_time": "contact (tenant_id, update_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, on in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_held")
            kind = "UNIQUE INDEX" if name.startswith("uq_") else "INDEX"
            op.execute(f"CREATE {kind} CONCURRENTLY {name}_held ON {on}")
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"ALTER INDEX {name}_held RENAME TO {name}")
