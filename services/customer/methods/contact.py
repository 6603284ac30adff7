"""Contacts."""

from chassis.resource.resource import Reference, Resource
from crm.customer.v1.contact_pb2 import Contact
from services.customer.models.contact import contact

CONTACT = Resource(
    message=Contact,
    table=contact,
    filterable=("customer_id", "name", "job_title", "phone", "email"),
    orderable=("name",),
    searchable=("name", "job_title", "phone", "email"),
    references=(
        Reference("owner_id", "users", "identity"),
        Reference("customer_id", "customers"),
    ),
)
