"""Records that belong to another: they keep it from being deleted, or go and come back with it."""

from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Select, bindparam, select

from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.errors import FailedPrecondition, PermissionDenied
from chassis.resource.plan import Plan
from chassis.resource.read import lock_found, read_found
from chassis.resource.resource import Child

if TYPE_CHECKING:
    from chassis.resource.standard import Collection

CHILDREN_MAX = 1000


async def refuse_children(call: Call, tx: Tx, parent: "Collection", record_id: str) -> None:
    """FailedPrecondition naming one living record that belongs to this one."""
    for child in parent.plan.resource.children:
        for found in await _living(call, tx, parent.plan, child, record_id, 1):
            raise await _held(call, tx, parent, child, found)


async def delete_children(call: Call, tx: Tx, parent: "Collection", record_id: str) -> None:
    """Put into the recycle bin what cannot live alone; anything else that refers to the
    record, or is out of reach, is a FailedPrecondition.
    """
    for child in parent.plan.resource.children:
        found = await _living(call, tx, parent.plan, child, record_id, CHILDREN_MAX + 1)
        if found and (not child.dependent or len(found) > CHILDREN_MAX):
            raise await _held(call, tx, parent, child, found[0])
        own = parent.siblings[child.table.name]
        locked = await lock_found(call, tx, own.plan, found, "DELETE") if found else ()
        if len(locked) < len(found):
            raise await _held(call, tx, parent, child, "")
        for before in locked:
            await own.discard(call, tx, before, force=True)


async def undelete_children(call: Call, tx: Tx, parent: "Collection", before: Record) -> None:
    """Take out of the recycle bin what was put there together with the record, so far as the caller
    may.
    """
    for child in parent.plan.resource.children:
        if not child.dependent or before["delete_time"] is None:
            continue
        own = parent.siblings[child.table.name]
        found = await _deleted_with(call, tx, parent.plan, child, before)
        for one in await lock_found(call, tx, own.plan, found, "DELETE") if found else ():
            await own.restore(call, tx, one)


async def _living(
    call: Call, tx: Tx, plan: Plan, child: Child, record_id: str, limit: int
) -> list[str]:
    alive = child.table.c.delete_time.is_(None)
    run = plan.cached(("children", child), lambda: _of(child, alive))
    values = {"tenant_id": call.tenant_id, "id": record_id, "limit": limit}
    return [str(row["id"]) for row in await tx.fetch(run, values)]


async def _deleted_with(call: Call, tx: Tx, plan: Plan, child: Child, before: Record) -> list[str]:
    then = child.table.c.delete_time == bindparam("time")
    run = plan.cached(("deleted with", child), lambda: _of(child, then))
    values = {
        "tenant_id": call.tenant_id,
        "id": before["id"],
        "time": before["delete_time"],
        "limit": CHILDREN_MAX,
    }
    return [str(row["id"]) for row in await tx.fetch(run, values)]


def _of(child: Child, condition: ColumnElement[bool]) -> Statement:
    table = child.table
    query: Select[tuple[object]] = select(table.c.id).where(
        table.c.tenant_id == bindparam("tenant_id"),
        table.c[child.field] == bindparam("id"),
        condition,
    )
    return statement(query.order_by(table.c.id).limit(bindparam("limit")))


async def _held(
    call: Call, tx: Tx, parent: "Collection", child: Child, found: str
) -> FailedPrecondition:
    """The refusal; it names the child if the caller may read it."""
    plan, record_id = parent.siblings[child.table.name].plan, ""
    with suppress(PermissionDenied):
        record_id = found if found and await read_found(call, tx, plan, [found], ("id",)) else ""
    example = f", for example {record_id}" if record_id else ""
    return FailedPrecondition(
        "RECORD_HAS_CHILDREN",
        f"The record still has {child.table.name} records{example}.",
        metadata={"resource": child.table.name, "id": record_id},
    )
