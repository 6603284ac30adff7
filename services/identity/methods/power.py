"""Roles as they are given to users: they exist, and the giver has what they allow."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson
from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.access.model import Grant
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from services.identity.methods.escalation import require_own
from services.identity.models.role import role

_ROLES = statement(
    select(role.c.id, role.c.grants, role.c.delete_time).where(
        role.c.tenant_id == bindparam("tenant_id"),
        role.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
    )
)


def read_grants(column: object) -> list[Grant]:
    """Grants as a role's column holds them: JSON text, or its value."""
    value = orjson.loads(column) if isinstance(column, str) else column
    return [_grant(one) for one in value] if isinstance(value, list) else []


def grants_of(call: Call) -> list[Grant]:
    """What the caller's roles allow him; who is narrowed to scopes has nothing to give away."""
    roles = {} if call.principal.scopes else call.access.roles
    return [grant for one in call.principal.role_ids for grant in roles.get(one, ())]


async def require_roles(
    call: Call, tx: Tx, role_ids: Sequence[str], *, widened: bool = False
) -> None:
    """InvalidArgument when a role does not exist, GrantBeyondOwn when the caller has less.

    `widened`: the roles go to one whose own records are not the caller's own, so that their grants
    count as if they were on all records.
    """
    found = {str(one["id"]): one for one in await _fetch(call, tx, role_ids)}
    if {one for one in role_ids if one not in found or found[one]["delete_time"] is not None}:
        raise invalid_fields([("role_ids", "There is no such role.")])
    _require_own(call, list(found.values()), widened=widened)


async def require_lesser(
    call: Call, tx: Tx, account: Mapping[str, object], *, widened: bool = False
) -> None:
    """GrantBeyondOwn for the account of somebody else whose roles allow more than the caller's."""
    role_ids = account["role_ids"]
    if isinstance(role_ids, list) and str(account["id"]) != call.principal.id:
        roles = await _fetch(call, tx, [str(one) for one in role_ids])
        _require_own(call, roles, widened=widened)


def _require_own(call: Call, roles: Sequence[Record], *, widened: bool) -> None:
    for one in roles:
        grants = read_grants(one["grants"])
        wanted = [replace(grant, scope="ALL") for grant in grants] if widened else grants
        require_own(grants_of(call), wanted)


async def _fetch(call: Call, tx: Tx, role_ids: Sequence[str]) -> Sequence[Record]:
    if not role_ids:
        return []
    return await tx.fetch(_ROLES, {"tenant_id": call.tenant_id, "ids": list(role_ids)})


def _grant(data: Mapping[str, object]) -> Grant:
    verbs = data.get("verbs")
    return Grant(
        resource=str(data.get("resource", "")),
        verbs=frozenset(str(verb) for verb in verbs) if isinstance(verbs, list) else frozenset(),
        scope=str(data.get("scope", "")),
    )
