"""References to other records: whoever refers to one must be able to read it. Those of other
services are known from the local replica, else asked for at the owner.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import orjson
from sqlalchemy import ColumnElement, Table, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.access.model import Reach
from chassis.access.people import USERS, sees_user
from chassis.access.scope import (
    reach_values,
    readable,
    referred_table,
    scope_columns,
    table_reach_condition,
    table_reach_shape,
)
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import Statement, statement
from chassis.events.references import scope_values
from chassis.resource.plan import Plan
from chassis.resource.resource import Reference, Row

# (service, collection, tenant, ids, reach) -> the ids that exist at the owner, living and in reach.
AskOwner = Callable[[str, str, str, Sequence[str], Reach], Awaitable[set[str]]]

_TABLE = chassis_tables(new_metadata())["reference"]
_KNOWN = statement(
    select(_TABLE.c.id, _TABLE.c.label, _TABLE.c.data).where(
        _TABLE.c.tenant_id == bindparam("tenant_id"),
        _TABLE.c.resource == bindparam("resource"),
        _TABLE.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
        _TABLE.c.delete_time.is_(None),
    )
)


async def check_references(
    call: Call, tx: Tx, plan: Plan, rows: Sequence[Row], ask: AskOwner
) -> dict[int, list[tuple[str, str]]]:
    """Field errors by position in `rows` for ids that exist nowhere, as far as the caller sees.

    Whether one of our own exists at all is left to its foreign key.
    """
    errors: dict[int, list[tuple[str, str]]] = {}
    for reference in plan.resource.references:
        ids = {str(row[reference.field]) for row in rows if row.get(reference.field)}
        if not ids:
            continue
        if reference.service:
            missing = await _missing(call, tx, reference, ids, ask)
        else:
            missing = await _hidden(call, tx, plan, reference, ids)
        for at, row in enumerate(rows if missing else ()):
            if str(row.get(reference.field)) in missing:
                errors.setdefault(at, []).append((reference.field, "There is no such record."))
    return errors


async def require_references(call: Call, tx: Tx, plan: Plan, row: Row, ask: AskOwner) -> None:
    """Raise InvalidArgument naming the fields whose record does not exist for the caller."""
    errors = await check_references(call, tx, plan, [row], ask)
    if errors:
        raise invalid_fields(errors[0])


async def labels(call: Call, tx: Tx, resource: str, ids: Iterable[str]) -> dict[str, str]:
    """Names of records of other services by id, as far as the replica knows them."""
    values = {"tenant_id": call.tenant_id, "resource": resource, "ids": list(ids)}
    return {str(row["id"]): row["label"] for row in await tx.fetch(_KNOWN, values)}


async def _missing(
    call: Call, tx: Tx, reference: Reference, ids: set[str], ask: AskOwner
) -> set[str]:
    reach = readable(call, reference.resource)
    if reference.resource == USERS:
        return {one for one in ids if not sees_user(call, reach, one)}
    values = {"tenant_id": call.tenant_id, "resource": reference.resource, "ids": list(ids)}
    rows = await tx.fetch(_KNOWN, values)
    kept = {str(row["id"]): orjson.loads(row["data"]) for row in rows}
    # What the replica does not show to be in reach, the owner knows more of.
    unknown = ids - {name for name, one in kept.items() if reach.covers(*scope_values(one))}
    return unknown and unknown - await ask(
        reference.service, reference.resource, call.tenant_id, sorted(unknown), reach
    )


async def _hidden(call: Call, tx: Tx, plan: Plan, reference: Reference, ids: set[str]) -> set[str]:
    """The ids of our own records that the caller does not see."""
    reach = readable(call, reference.resource)
    target = referred_table(plan.resource.table, reference.field)
    if reference.resource == USERS and (reach.company_id or not reach.everything):
        return {one for one in ids if not sees_user(call, reach, one)}
    if target is None:
        return set()
    columns = scope_columns(target)
    shape = table_reach_shape(columns, reach)
    if not any(shape):
        return set()
    run = plan.cached(
        ("refer", reference.field, shape),
        lambda: _seen_statement(target, table_reach_condition(columns, shape)),
    )
    values = {**reach_values(reach), "tenant_id": call.tenant_id, "ids": list(ids)}
    return ids - {str(row["id"]) for row in await tx.fetch(run, values)}


def _seen_statement(table: Table, conditions: Sequence[ColumnElement[bool]]) -> Statement:
    return statement(
        select(table.c.id).where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
            *conditions,
        )
    )
