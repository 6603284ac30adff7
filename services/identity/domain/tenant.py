"""Tenants: whether they may work."""

from chassis.errors import TenantSuspended

ACTIVE = "ACTIVE"
SUSPENDED = "SUSPENDED"


def require_active(state: object) -> None:
    """TenantSuspended for a tenant whose people may not work."""
    if state != ACTIVE:
        raise TenantSuspended
