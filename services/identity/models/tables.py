"""All tables of the service, declared by importing their modules."""

from services.identity.models import (
    attempt,
    department,
    metadata,
    password_reset,
    role,
    second_factor,
    tenant,
    user,
)

__all__ = [
    "attempt",
    "department",
    "metadata",
    "password_reset",
    "role",
    "second_factor",
    "tenant",
    "user",
]
