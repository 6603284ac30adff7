"""Customers."""

from google.protobuf.message import Message

from chassis.call import Call
from chassis.db.pool import Tx
from chassis.resource.resource import Child, Reference, Resource, Row
from crm.customer.v1.customer_pb2 import Customer
from services.customer.domain.life_cycle import POTENTIAL
from services.customer.models.contact import contact
from services.customer.models.customer import customer


async def _prepare_create(_call: Call, _tx: Tx, row: Row, _message: Message) -> None:
    """Only an import brings another life cycle."""
    row["life_cycle"] = row["life_cycle"] or POTENTIAL


CUSTOMER = Resource(
    message=Customer,
    table=customer,
    filterable=(
        "kind",
        "name",
        "phone",
        "email",
        "industry",
        "country",
        "founded_year",
        "employee_count",
        "annual_revenue",
        "parent_id",
        "source_id",
        "class_id",
        "number",
        "life_cycle",
        "is_supplier",
    ),
    orderable=("name", "annual_revenue", "number"),
    searchable=("name", "phone", "email", "website", "number"),
    importable=("number", "life_cycle", "life_cycle_reason"),
    number="C",
    references=(
        Reference("owner_id", "users", "identity"),
        Reference("parent_id", "customers"),
    ),
    choices=("source_id", "class_id"),
    children=(Child(contact, "customer_id", dependent=True), Child(customer, "parent_id")),
    prepare_create=_prepare_create,
)
