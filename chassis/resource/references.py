"""References to other records: whoever refers to one must be able to read it. Those of other
services are known from the local replica, else asked for at the owner.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.access.model import Reach
from chassis.access.people import USERS, require_known, sees_user
from chassis.access.scope import Shape, reach_values, readable, referred_table
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.contracts import owners
from chassis.custom_fields.model import CUSTOM, stored_values
from chassis.db.pool import Record, Tx
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import Statement, statement
from chassis.events.references import in_reach
from chassis.resource.plan import Plan, reach_condition, reach_shape
from chassis.resource.resource import Reference, Row

if TYPE_CHECKING:
    from chassis.resource.standard import Collection

# A row, and what it is written over.
Change = tuple[Record | None, Row]
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
    call: Call, tx: Tx, own: "Collection", rows: Sequence[Change]
) -> dict[int, list[tuple[str, str]]]:
    """Field errors by position in `rows` for ids that exist nowhere, as far as the caller sees.
    What a record has named before may stay: it may be gone or out of his sight since.

    Whether one of our own exists at all is left to its foreign key, where it has one.
    """
    errors: dict[int, list[tuple[str, str]]] = {}
    for reference, named in _named(call, own.plan, rows):
        ids = set(named.values())
        if not ids:
            continue
        if reference.service not in {"", own.plan.service}:
            missing = await _missing(call, tx, reference, ids, own.ask_owner)
        else:
            missing = await _hidden(call, tx, own, reference, ids)
        for at, one in named.items():
            if one in missing:
                errors.setdefault(at, []).append((reference.field, "There is no such record."))
    return errors


async def require_references(  # what is written, over what
    call: Call, tx: Tx, own: "Collection", row: Row, before: Record | None = None
) -> None:
    """Raise InvalidArgument naming the fields whose record does not exist for the caller."""
    errors = await check_references(call, tx, own, [(before, row)])
    if errors:
        raise invalid_fields(errors[0])


def _named(
    call: Call, plan: Plan, rows: Sequence[Change]
) -> Iterator[tuple[Reference, dict[int, str]]]:
    """Each reference, those in the tenant's own fields too, with new ids by the position of the
    row.
    """
    for reference in plan.resource.references:
        yield reference, _new(reference.field, rows)
    references = call.custom.of(plan.plural).references
    own = [(_own_values(before), _own_values(row)) for before, row in rows if references]
    for one in references:
        yield Reference(one.path, one.reference, owners()[one.reference]), _new(one.id, own)


def _new(name: str, rows: Sequence[Change]) -> dict[int, str]:
    return {
        at: str(row[name])
        for at, (before, row) in enumerate(rows)
        if row.get(name) and str(row[name]) != str((before or {}).get(name))
    }


def _own_values(row: Record | None) -> Row:
    return stored_values((row or {}).get(CUSTOM))


async def labels(call: Call, tx: Tx, resource: str, ids: Iterable[str]) -> dict[str, str]:
    """Names by id of living records of other services that the caller may read, as far as the
    replica knows them.
    """
    reach = call.reach(resource, "READ")
    values = {"tenant_id": call.tenant_id, "resource": resource, "ids": list(ids)}
    rows = await tx.fetch(_KNOWN, values)
    return {str(row["id"]): row["label"] for row in rows if in_reach(call, reach, resource, row)}


async def _missing(
    call: Call, tx: Tx, reference: Reference, ids: set[str], ask: AskOwner
) -> set[str]:
    reach = readable(call, reference.resource)
    if reference.resource == USERS:
        require_known(call, ids)
        members = call.access.members
        # An API client is no person: what it makes is its owner's.
        return {one for one in ids if not sees_user(call, reach, one) or members[one].owner_id}
    values = {"tenant_id": call.tenant_id, "resource": reference.resource, "ids": list(ids)}
    rows = await tx.fetch(_KNOWN, values)
    # What the replica does not show to be in reach, the owner knows more of.
    known = {str(row["id"]) for row in rows if in_reach(call, reach, reference.resource, row)}
    unknown = ids - known
    return unknown and unknown - await ask(
        reference.service, reference.resource, call.tenant_id, sorted(unknown), reach
    )


async def _hidden(
    call: Call, tx: Tx, own: "Collection", reference: Reference, ids: set[str]
) -> set[str]:
    """The ids of our own records that the caller does not see, or that a record cannot be put under
    because they do not live.
    """
    plan, kept, target = own.plan, bool(reference.service), own.plan_of(reference.resource)
    if not kept and referred_table(plan.resource.table, reference.field) is None:
        return set()
    if target is None:
        return set()
    place = (plan.resource.table, reference.field, True)
    below = any((one.table, one.field, one.dependent) == place for one in target.resource.children)
    reach, living = readable(call, reference.resource), kept or below
    shape = reach_shape(target, reach)
    if not any(shape) and not living:
        return set()
    run = target.cached(("refer", shape, living), lambda: seen_statement(target, shape, living))
    values = {**reach_values(reach), "tenant_id": call.tenant_id, "ids": list(ids)}
    return ids - {str(row["id"]) for row in await tx.fetch(run, values)}


def seen_statement(plan: Plan, shape: Shape, living: bool = True) -> Statement:
    """Which of some ids there are within a reach, living ones only unless said otherwise."""
    table = plan.resource.table
    alive = [table.c.delete_time.is_(None)] if living else []
    return statement(
        select(table.c.id).where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
            *reach_condition(plan, shape),
            *alive,
        )
    )
