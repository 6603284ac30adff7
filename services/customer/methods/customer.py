"""Customers."""

from chassis.resource.resource import Child, Reference, Resource
from crm.customer.v1.customer_pb2 import Customer
from services.customer.models.contact import contact
from services.customer.models.customer import customer

CUSTOMER = Resource(
    message=Customer,
    table=customer,
    filterable=(
        "id", "kind", "name", "phone", "email", "industry", "country", "founded_year",
        "employee_count", "annual_revenue", "parent_id", "owner_id", "department_id",
        "external_source", "external_id", "create_time", "update_time",
    ),
    orderable=("name", "annual_revenue", "create_time", "update_time"),
    references=(
        Reference("owner_id", "users", "identity"),
        Reference("parent_id", "customers"),
    ),
    children=(Child(contact, "customer_id", dependent=True), Child(customer, "parent_id")),
)  # fmt: skip
