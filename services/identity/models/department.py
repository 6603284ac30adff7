"""Departments, a tree by parent_id."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from chassis.db.schema import list_indexes, resource_columns, resource_constraints
from services.identity.models import metadata

department = Table(
    "department",
    metadata,
    *resource_columns(owned=False),
    Column("name", Text, nullable=False),
    Column("parent_id", UUID(as_uuid=False)),
    *resource_constraints("department"),
    ForeignKeyConstraint(
        ["tenant_id", "parent_id"],
        ["department.tenant_id", "department.id"],
        name="fk_department_tenant_id_parent_id",
    ),
    Index("ix_department_parent_id", "tenant_id", "parent_id"),
)
list_indexes(department, "name")
