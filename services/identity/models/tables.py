"""All tables of the service, declared by importing their modules."""

from services.identity.models import department, log, metadata, role, tenant, user

__all__ = ["department", "log", "metadata", "role", "tenant", "user"]
