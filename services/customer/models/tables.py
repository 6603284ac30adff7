"""All tables of the service, declared by importing their modules."""

from services.customer.models import contact, customer, metadata

__all__ = ["contact", "customer", "metadata"]
