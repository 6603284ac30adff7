"""Customers."""

from chassis.resource.resource import Child, Reference, Resource
from crm.customer.v1.customer_pb2 import Customer
from services.customer.models.contact import contact
from services.customer.models.customer import customer

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
    ),
    orderable=("name", "annual_revenue"),
    searchable=("name", "phone", "email", "website"),
    references=(
        Reference("owner_id", "users", "identity"),
        Reference("parent_id", "customers"),
    ),
    choices=("source_id", "class_id"),
    children=(Child(contact, "customer_id", dependent=True), Child(customer, "parent_id")),
)
