"""Roles as they are given to users: they exist, and the giver has what they allow."""

from collections.abc import Mapping, Sequence

import orjson
from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.access.field_rules import read_rules, restricted
from chassis.access.model import Grant
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from services.identity.methods.escalation import require_own, require_own_fields
from services.identity.models.role import role

_ROLES = statement(
    select(role.c.id, role.c.grants, role.c.field_rules, role.c.delete_time).where(
        role.c.tenant_id == bindparam("tenant_id"),
        role.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
    )
)


def read_grants(column: object) -> list[Grant]:
    """Grants as a role's column holds them: JSON text, or its value."""
    value = _parsed(column)
    return [_grant(one) for one in value] if isinstance(value, list) else []


def _parsed(column: object) -> object:
    return orjson.loads(column) if isinstance(column, str) else column


def grants_of(call: Call) -> list[Grant]:
    """What the caller's roles allow him."""
    roles = call.access.roles
    return [grant for one in call.principal.role_ids for grant in roles.get(one, ())]


def require_fields(call: Call, role_row: Mapping[str, object]) -> None:
    """FieldsBeyondOwn for a role that opens fields which the caller's own roles do not."""
    rules = call.access.field_rules
    own = restricted(rules[one] for one in call.principal.role_ids if one in rules)
    given = _parsed(role_row["field_rules"])
    require_own_fields(call.field_access, own, read_grants(role_row["grants"]), read_rules(given))


async def require_roles(call: Call, tx: Tx, role_ids: Sequence[str]) -> None:
    """InvalidArgument when a role does not exist, GrantBeyondOwn when the caller has less."""
    found = {str(one["id"]): one for one in await _fetch(call, tx, role_ids)}
    if {one for one in role_ids if one not in found or found[one]["delete_time"] is not None}:
        raise invalid_fields([("role_ids", "There is no such role.")])
    _require_own(call, list(found.values()))


async def require_lesser(call: Call, tx: Tx, account: Mapping[str, object]) -> None:
    """GrantBeyondOwn for the account of somebody else whose roles allow more than the caller's."""
    role_ids = account["role_ids"]
    if isinstance(role_ids, list) and str(account["id"]) != call.principal.id:
        _require_own(call, await _fetch(call, tx, [str(one) for one in role_ids]))


def _require_own(call: Call, roles: Sequence[Record]) -> None:
    for one in roles:
        require_own(grants_of(call), read_grants(one["grants"]))
        require_fields(call, one)


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
