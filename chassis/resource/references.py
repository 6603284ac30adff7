"""References to records of other services, and those in a tenant's own fields: known from the local
replica or our own tables, else asked for at the owner.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.contracts import owners
from chassis.custom_fields.model import CUSTOM, stored_values
from chassis.db.pool import Tx
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import Statement, statement
from chassis.resource.plan import Plan
from chassis.resource.resource import Reference, Row

if TYPE_CHECKING:
    from chassis.resource.standard import Collection

# (service, collection, tenant, ids) -> the ids that exist at the owner and live.
AskOwner = Callable[[str, str, str, Sequence[str]], Awaitable[set[str]]]

# Every service knows all users, because access needs them.
USERS = "users"

_TABLE = chassis_tables(new_metadata())["reference"]
_KNOWN = statement(
    select(_TABLE.c.id, _TABLE.c.label).where(
        _TABLE.c.tenant_id == bindparam("tenant_id"),
        _TABLE.c.resource == bindparam("resource"),
        _TABLE.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
        _TABLE.c.delete_time.is_(None),
    )
)


async def check_references(
    call: Call, tx: Tx, own: "Collection", rows: Sequence[Row]
) -> dict[int, list[tuple[str, str]]]:
    """Field errors by position in `rows` for ids of records that exist nowhere; our own columns are
    left to their foreign keys.
    """
    errors: dict[int, list[tuple[str, str]]] = {}
    for reference, named in _named(call, own.plan, rows):
        missing = await _missing(call, tx, own, reference, set(named.values()))
        for at, one in named.items():
            if one in missing:
                errors.setdefault(at, []).append((reference.field, "There is no such record."))
    return errors


async def require_references(call: Call, tx: Tx, own: "Collection", row: Row) -> None:
    """Raise InvalidArgument naming the fields whose record exists nowhere."""
    errors = await check_references(call, tx, own, [row])
    if errors:
        raise invalid_fields(errors[0])


async def labels(call: Call, tx: Tx, resource: str, ids: Iterable[str]) -> dict[str, str]:
    """Names of records of other services by id, as far as the replica knows them."""
    values = {"tenant_id": call.tenant_id, "resource": resource, "ids": list(ids)}
    return {str(row["id"]): row["label"] for row in await tx.fetch(_KNOWN, values)}


def living_statement(plan: Plan) -> Statement:
    """Which of some ids live."""
    table = plan.resource.table
    return statement(
        select(table.c.id).where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
            table.c.delete_time.is_(None),
        )
    )


def _named(
    call: Call, plan: Plan, rows: Sequence[Row]
) -> Iterator[tuple[Reference, dict[int, str]]]:
    """Each reference to be checked, with the ids by position of the row that has one."""
    for reference in plan.resource.references:
        if reference.service:
            name = reference.field
            yield reference, {at: str(row[name]) for at, row in enumerate(rows) if row.get(name)}
    for one in call.custom.of(plan.plural).references:
        reference = Reference(one.path, one.reference, owners().get(one.reference, ""))
        stored = enumerate(stored_values(row.get(CUSTOM)) for row in rows)
        yield reference, {at: str(row[one.id]) for at, row in stored if one.id in row}


async def _missing(
    call: Call, tx: Tx, own: "Collection", reference: Reference, ids: set[str]
) -> set[str]:
    if reference.resource == USERS:
        return {one for one in ids if one not in call.access.members}
    if not ids:
        return ids
    if reference.service == own.plan.service:
        plan = next(
            one.plan for one in own.siblings.values() if one.plan.plural == reference.resource
        )
        values = {"tenant_id": call.tenant_id, "ids": list(ids)}
        found = await tx.fetch(plan.cached("living", lambda: living_statement(plan)), values)
        return ids - {str(row["id"]) for row in found}
    unknown = ids - set(await labels(call, tx, reference.resource, ids))
    if not unknown:
        return set()
    return unknown - await own.ask_owner(
        reference.service, reference.resource, call.tenant_id, sorted(unknown)
    )
