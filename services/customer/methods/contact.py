"""Contacts."""

from chassis.resource.resource import Reference, Resource
from crm.customer.v1.contact_pb2 import Contact
from services.customer.models.contact import contact

CONTACT = Resource(
    message=Contact,
    table=contact,
    filterable=(
        "id", "customer_id", "name", "job_title", "phone", "email", "owner_id", "department_id",
        "external_source", "external_id", "create_time", "update_time",
    ),
    orderable=("name", "create_time", "update_time"),
    references=(
        Reference("owner_id", "users", "identity"),
        Reference("customer_id", "customers"),
    ),
)  # fmt: skip
