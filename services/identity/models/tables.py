"""All tables of the service, declared by importing their modules."""

from services.identity.models import department, metadata, role, tenant, user

__all__ = ["department", "metadata", "role", "tenant", "user"]
