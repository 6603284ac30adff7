"""indexes of orders hold what row scope needs.

Each is built beside the old one while writes go on, and takes its place.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_role_create_time": "role (tenant_id, create_time, id) INCLUDE (partner_company_id, delete_time)",
    "ix_role_name": "role (tenant_id, name, id) INCLUDE (partner_company_id, delete_time)",
    "ix_role_update_time": "role (tenant_id, update_time, id) INCLUDE (partner_company_id, delete_time)",
    "ix_user_create_time": '"user" (tenant_id, create_time, id) INCLUDE (department_id, delete_time)',
    "ix_user_login": '"user" (tenant_id, login, id) INCLUDE (department_id, delete_time)',
    "ix_user_name": '"user" (tenant_id, name, id) INCLUDE (department_id, delete_time)',
    "ix_user_update_time": '"user" (tenant_id, update_time, id) INCLUDE (department_id, delete_time)',
    "ix_announcement_create_time": "announcement (tenant_id, create_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_announcement_publish_time": "announcement (tenant_id, publish_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_announcement_title": "announcement (tenant_id, title, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_announcement_update_time": "announcement (tenant_id, update_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_api_client_create_time": "api_client (tenant_id, create_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_api_client_name": "api_client (tenant_id, name, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
    "ix_api_client_update_time": "api_client (tenant_id, update_time, id) INCLUDE (owner_id, department_id, partner_company_id, delete_time)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, on in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_held")
            op.execute(f"CREATE INDEX CONCURRENTLY {name}_held ON {on}")
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"ALTER INDEX {name}_held RENAME TO {name}")
