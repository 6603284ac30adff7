"""Roles with their grants."""

from sqlalchemy import Column, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from chassis.db.schema import list_indexes, resource_columns, resource_constraints
from services.identity.models import metadata

role = Table(
    "role",
    metadata,
    *resource_columns(owned=False),
    Column("name", Text, nullable=False),
    Column("grants", JSONB, nullable=False),
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
list_indexes(role, "name")
