"""All tables of the service, declared by importing their modules."""

from services.identity.models import (
    announcement,
    api_client,
    department,
    log,
    metadata,
    preferences,
    role,
    tenant,
    user,
)

__all__ = [
    "announcement",
    "api_client",
    "department",
    "log",
    "metadata",
    "preferences",
    "role",
    "tenant",
    "user",
]
