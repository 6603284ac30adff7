"""People as callers may see them: who is within reach, and what they are called."""

from collections.abc import Iterable

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.types import Text

from chassis.access.model import Reach
from chassis.call import Call
from chassis.db.pool import Tx
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import statement
from chassis.errors import PermissionDenied, Unavailable

# Every service knows all users, because access needs them.
USERS = "users"
_TABLE = chassis_tables(new_metadata())["access_record"]
_NAMES = statement(
    select(_TABLE.c.id, _TABLE.c.data["name"].astext.label("name")).where(
        _TABLE.c.tenant_id == bindparam("tenant_id"),
        _TABLE.c.kind == any_(bindparam("kinds", type_=ARRAY(Text()))),
        _TABLE.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
    )
)


class AccessBehind(Unavailable):
    """A call names somebody whom the replica does not know yet: it is to be made again with access
    as identity has it.
    """

    def __init__(self) -> None:
        super().__init__("ACCESS_BEHIND", "Somebody named is new; try again in a moment.")


def require_known(call: Call, user_ids: Iterable[str]) -> None:
    """AccessBehind when one of them may just have been created."""
    if not call.access.members.keys() >= set(user_ids):
        require_renewed(call)


def require_renewed(call: Call) -> None:
    """AccessBehind unless access is as identity has it; deferred work never waits."""
    deferred = call.through not in {"user", "integration"}
    if not (deferred or call.access.renewed):
        raise AccessBehind


def sees_user(call: Call, reach: Reach, user_id: str) -> bool:
    """Whether a reach on users holds this one."""
    member = call.access.members.get(user_id)
    company_id = call.access.company_of(user_id)
    return member is not None and reach.covers(user_id, member.department_id, company_id)


async def names_of(call: Call, tx: Tx, user_ids: Iterable[str]) -> dict[str, str]:
    """Names by id of those users whom the caller may see."""
    try:
        reach = call.reach(USERS, "READ")
    except PermissionDenied:
        return {}
    seen = {one for one in user_ids if sees_user(call, reach, one)}
    if not seen or "name" in call.field_access(USERS).hidden:
        return {}
    return await _names(call, tx, ["user", "api_client"], seen)


async def role_names(call: Call, tx: Tx, role_ids: Iterable[str]) -> dict[str, str]:
    """Names of roles by id."""
    return await _names(call, tx, ["role"], role_ids)


async def _names(call: Call, tx: Tx, kinds: list[str], ids: Iterable[str]) -> dict[str, str]:
    values = {"tenant_id": call.tenant_id, "kinds": kinds, "ids": list(ids)}
    return {str(row["id"]): row["name"] or "" for row in await tx.fetch(_NAMES, values)}
