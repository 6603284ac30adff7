"""Contacts of customers."""

from sqlalchemy import Column, ForeignKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from chassis.db.indexes import list_indexes
from chassis.db.schema import resource_columns, resource_constraints
from chassis.search.table import search_table
from services.customer.models import metadata

contact = Table(
    "contact",
    metadata,
    *resource_columns(owned=True),
    Column("customer_id", UUID(as_uuid=False), nullable=False),
    Column("name", Text, nullable=False),
    Column("job_title", Text),
    Column("phone", Text),
    Column("email", Text),
    Column("description", Text),
    *resource_constraints("contact"),
    ForeignKeyConstraint(
        ["tenant_id", "customer_id"],
        ["customer.tenant_id", "customer.id"],
        name="fk_contact_tenant_id_customer_id",
    ),
)
list_indexes(
    contact,
    orderable=("name",),
    filterable=(
        "customer_id",
        "job_title",
        "phone",
        "email",
    ),
    held=(),
)
search_table(contact)
