"""All tables of the service, declared by importing their modules."""

from services.identity.models import (
    announcement,
    api_client,
    attempt,
    department,
    log,
    metadata,
    password_reset,
    preferences,
    role,
    second_factor,
    tenant,
    user,
)

__all__ = [
    "announcement",
    "api_client",
    "attempt",
    "department",
    "log",
    "metadata",
    "password_reset",
    "preferences",
    "role",
    "second_factor",
    "tenant",
    "user",
]
