"""A tenant never loses its last administrator: an active user of the head office who may configure
all users.
"""

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.access.model import ALL_RESOURCES, Grant
from chassis.call import Call
from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.errors import FailedPrecondition
from services.identity.methods.organisation import company_of
from services.identity.methods.power import read_grants
from services.identity.models.role import role
from services.identity.models.tenant import tenant
from services.identity.models.user import user

_TENANT = statement(
    select(tenant.c.tenant_id).where(tenant.c.tenant_id == bindparam("tenant_id")).with_for_update()
)
_ROLES = statement(
    select(role.c.id, role.c.grants).where(
        role.c.tenant_id == bindparam("tenant_id"), role.c.delete_time.is_(None)
    )
)
_WHERE = statement(
    select(user.c.tenant_id, user.c.department_id)
    .where(
        user.c.tenant_id == bindparam("tenant_id"),
        user.c.state == "ACTIVE",
        user.c.delete_time.is_(None),
        user.c.role_ids.overlap(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
    )
    .distinct()
)


async def keep_administrator(call: Call, tx: Tx) -> None:
    """Refuse at the end of the transaction when it leaves no administrator (LAST_ADMINISTRATOR).

    Such changes of one tenant wait for each other, or two administrators could delete each other.
    """
    await tx.fetch_row(_TENANT, {"tenant_id": call.tenant_id})
    tx.after(_require_administrator, call)


async def _require_administrator(call: Call, tx: Tx) -> None:
    roles = await tx.fetch(_ROLES, {"tenant_id": call.tenant_id})
    ids = [one["id"] for one in roles if any(map(_administers, read_grants(one["grants"])))]
    for place in await tx.fetch(_WHERE, {"tenant_id": call.tenant_id, "ids": ids}):
        if not await company_of(tx, place):
            return
    raise FailedPrecondition(
        "LAST_ADMINISTRATOR", "Nobody would be left who may configure all users."
    )


def _administers(grant: Grant) -> bool:
    wide = grant.scope == "ALL" and grant.resource in {"users", ALL_RESOURCES}
    return wide and "CONFIGURE" in grant.verbs
