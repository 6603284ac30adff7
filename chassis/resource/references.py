"""References to records of other services: known from the local replica, else asked for at the
owner.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import statement
from chassis.resource.plan import Plan
from chassis.resource.resource import Reference, Row

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
    call: Call, tx: Tx, plan: Plan, rows: Sequence[Row], ask: AskOwner
) -> dict[int, list[tuple[str, str]]]:
    """Field errors by position in `rows` for ids of other services that exist nowhere."""
    errors: dict[int, list[tuple[str, str]]] = {}
    for reference in plan.resource.references:
        if not reference.service:
            continue
        ids = {str(row[reference.field]) for row in rows if row.get(reference.field)}
        missing = await _missing(call, tx, reference, ids, ask)
        for at, row in enumerate(rows if missing else ()):
            if str(row.get(reference.field)) in missing:
                errors.setdefault(at, []).append((reference.field, "There is no such record."))
    return errors


async def require_references(call: Call, tx: Tx, plan: Plan, row: Row, ask: AskOwner) -> None:
    """Raise InvalidArgument naming the fields whose record exists nowhere."""
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
    if reference.resource == USERS:
        return {one for one in ids if one not in call.access.members}
    unknown = ids - set(await labels(call, tx, reference.resource, ids)) if ids else set()
    if not unknown:
        return set()
    return unknown - await ask(
        reference.service, reference.resource, call.tenant_id, sorted(unknown)
    )
