"""Roles as they are given to users: they exist, and the giver has what they allow."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson
from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.access.field_rules import read_rules, restricted
from chassis.access.model import Grant, beyond
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from services.identity.methods.escalation import require_own, require_own_fields
from services.identity.models.role import role

_ROLES = statement(
    select(
        role.c.id, role.c.grants, role.c.field_rules, role.c.partner_company_id, role.c.delete_time
    ).where(
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
    """What the caller's roles allow him; who is narrowed to scopes has nothing to give away."""
    roles = {} if call.principal.scopes else call.access.roles
    return [grant for one in call.principal.role_ids for grant in roles.get(one, ())]


async def require_roles(
    call: Call, tx: Tx, role_ids: Sequence[str], *, widened: bool = False
) -> None:
    """InvalidArgument when a role does not exist, GrantBeyondOwn when the caller has less.

    A partner user sees just the roles that he may give: others do not exist for him.
    `widened`: the roles go to one whose own records are not the caller's own, so that their grants
    count as if they were on all records.
    """
    company_id = call.principal.partner_company_id
    found = {str(one["id"]): one for one in await _fetch(call, tx, role_ids)}
    living = {name for name, one in found.items() if one["delete_time"] is None}
    if company_id:
        living = {name for name in living if _is_for(call, found[name], company_id)}
    if not living.issuperset(role_ids):
        raise invalid_fields([("role_ids", "There is no such role.")])
    _require_own(call, list(found.values()), widened=widened)


def require_rights(call: Call, role_row: Mapping[str, object], *, widened: bool = False) -> None:
    """GrantBeyondOwn or FieldsBeyondOwn for a role that allows what the caller's own do not;
    `widened` takes its grants for all records.
    """
    grants, rules = read_grants(role_row["grants"]), call.access.field_rules
    wanted = [replace(grant, scope="ALL") for grant in grants] if widened else grants
    require_own(grants_of(call), wanted, in_company=bool(call.principal.partner_company_id))
    own = restricted(rules[one] for one in call.principal.role_ids if one in rules)
    given = read_rules(_parsed(role_row["field_rules"]))
    require_own_fields(call.field_access, own, grants, given)


def _is_for(call: Call, found: Record, company_id: str) -> bool:
    """Whether a partner user may give the role: of his company or of all, within his own rights."""
    if str(found["partner_company_id"] or company_id) != company_id:
        return False
    return beyond(grants_of(call), read_grants(found["grants"]), in_company=True) is None


async def require_lesser(
    call: Call, tx: Tx, account: Mapping[str, object], *, widened: bool = False
) -> None:
    """GrantBeyondOwn for an account whose roles allow more than the caller's: that of another user,
    or an API client's own, for its token may be narrower than it is.
    """
    role_ids, who = account["role_ids"], call.principal
    own = who.kind == "user" and str(account["id"]) == who.id
    if isinstance(role_ids, list) and not own:
        roles = await _fetch(call, tx, [str(one) for one in role_ids])
        _require_own(call, roles, widened=widened)


def _require_own(call: Call, roles: Sequence[Record], *, widened: bool) -> None:
    for one in roles:
        require_rights(call, one, widened=widened)


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
