"""Customers: companies and persons in one table."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from chassis.db.indexes import SCOPE_HELD, list_indexes
from chassis.db.schema import resource_columns, resource_constraints
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
    Column("number", Text),
    Column("life_cycle", Text, nullable=False, server_default="POTENTIAL"),
    Column("life_cycle_reason", Text),
    Column("is_supplier", Boolean, nullable=False, server_default=false()),
    *resource_constraints("customer"),
    CheckConstraint("kind IN ('COMPANY','PERSON')", name="kind"),
    CheckConstraint(
        "life_cycle IN ('POTENTIAL','FOLLOWING','EXISTING','ELIMINATED')", name="life_cycle"
    ),
    # Lists by number walk this index, too; in the recycle bin a number stays taken.
    Index(
        "uq_customer_number",
        *("tenant_id", "number"),
        unique=True,
        postgresql_include=["id", *SCOPE_HELD],
    ),
    # Few are suppliers.
    Index(
        "ix_customer_is_supplier",
        *("tenant_id", "is_supplier", "id"),
        postgresql_where=text("is_supplier"),
    ),
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
        "life_cycle",
    ),
    held=(
        "number", "kind", "industry", "country", "founded_year", "employee_count", "life_cycle",
    ),
)  # fmt: skip
Index(
    "ix_customer_number_desc",
    customer.c.tenant_id,
    customer.c.number.desc().nulls_last(),
    customer.c.id.desc(),
    postgresql_include=SCOPE_HELD,
)
search_table(customer)
