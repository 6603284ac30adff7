"""Departments, a tree by parent_id."""

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from chassis.db.indexes import list_indexes
from chassis.db.schema import resource_columns, resource_constraints
from chassis.search.table import search_table
from services.identity.models import metadata

department = Table(
    "department",
    metadata,
    *resource_columns(owned=False),
    Column("name", Text, nullable=False),
    Column("parent_id", UUID(as_uuid=False)),
    Column("kind", Text, nullable=False, server_default="DEPARTMENT"),
    Column("partner_kind", Text),
    *resource_constraints("department"),
    CheckConstraint("kind IN ('DEPARTMENT','PARTNER_COMPANY')", name="kind"),
    CheckConstraint("partner_kind IN ('DEALER','AGENT','PROVIDER')", name="partner_kind"),
    ForeignKeyConstraint(
        ["tenant_id", "parent_id"],
        ["department.tenant_id", "department.id"],
        name="fk_department_tenant_id_parent_id",
    ),
)
list_indexes(department, orderable=("name",), filterable=("parent_id", "kind", "partner_kind"))
search_table(department)
