"""When access in a tenant last changed: the version that internal tokens carry."""

from datetime import datetime

from sqlalchemy import ColumnElement, Label, func, select

from services.identity.models.api_client import api_client
from services.identity.models.department import department
from services.identity.models.role import role
from services.identity.models.tenant import tenant
from services.identity.models.user import user

_DECIDING = (
    user.alias("anyone"),
    api_client.alias("any_client"),
    department,
    role,
    tenant.alias("any_tenant"),
)


def access_time(tenant_id: ColumnElement[str]) -> Label[datetime]:
    """The column `access_time` of a query that has the tenant's id."""
    return func.greatest(
        *[
            select(func.max(table.c.update_time))
            .where(table.c.tenant_id == tenant_id)
            .scalar_subquery()
            for table in _DECIDING
        ]
    ).label("access_time")
