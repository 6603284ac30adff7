"""Customers: companies and persons in one table."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    Numeric,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import UUID

from chassis.db.schema import list_indexes, resource_columns, resource_constraints
from chassis.search.table import search_table
from services.customer.models import metadata

customer = Table(
    "customer",
    metadata,
    *resource_columns(owned=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("phone", Text),
    Column("email", Text),
    Column("website", Text),
    Column("industry", Text),
    Column("country", Text),
    Column("address", Text),
    Column("founded_year", Integer),
    Column("employee_count", Integer),
    Column("annual_revenue", Numeric),
    Column("annual_revenue_currency", Text),
    Column("parent_id", UUID(as_uuid=False)),
    Column("description", Text),
    # Choices of the lists so named.
    Column("source_id", UUID(as_uuid=False)),
    Column("class_id", UUID(as_uuid=False)),
    *resource_constraints("customer"),
    CheckConstraint("kind IN ('COMPANY','PERSON')", name="kind"),
    ForeignKeyConstraint(
        ["tenant_id", "parent_id"],
        ["customer.tenant_id", "customer.id"],
        name="fk_customer_tenant_id_parent_id",
    ),
)
list_indexes(
    customer,
    orderable=(
        "name",
        "annual_revenue",
    ),
    filterable=(
        "kind",
        "phone",
        "email",
        "industry",
        "country",
        "founded_year",
        "employee_count",
        "parent_id",
        "source_id",
        "class_id",
    ),
)
search_table(customer)
