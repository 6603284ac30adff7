"""Roles with their grants."""

from sqlalchemy import Column, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from chassis.db.indexes import list_indexes
from chassis.db.schema import resource_columns, resource_constraints
from chassis.search.table import search_table
from services.identity.models import metadata

role = Table(
    "role",
    metadata,
    *resource_columns(owned=False),
    Column("name", Text, nullable=False),
    Column("grants", JSONB, nullable=False),
    Column("description", Text),
    # Names of ready-made roles for programs; NULL for the tenant's own.
    Column("key", Text),
    Column("partner_company_id", UUID(as_uuid=False)),
    Column("field_rules", JSONB),
    *resource_constraints("role"),
    Index(
        "uq_role_name",
        "tenant_id",
        text("lower(name)"),
        unique=True,
        postgresql_where=text("delete_time IS NULL"),
    ),
)
list_indexes(role, orderable=("name",), filterable=("key",))
search_table(role)
