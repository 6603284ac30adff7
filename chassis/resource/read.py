"""Reads of one record: within the caller's reach, else not found, everywhere and
indistinguishably.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from google.protobuf.message import Message
from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.access.model import Reach
from chassis.access.scope import Shape
from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.errors import NotFound
from chassis.ids import is_id
from chassis.resource.plan import Plan, reach_condition, reach_shape, reach_values
from chassis.resource.view import view_of

Found = TypeVar("Found")


async def get_record(  # what is read, and as whom
    call: Call,
    tx: Tx,
    plan: Plan,
    record_id: str,
    names: tuple[str, ...] = (),
    verb: str = "READ",
) -> Message:
    """The record with these fields, all that the caller may see when not given, deleted or not;
    NotFound when the verb does not reach it.
    """
    reach = call.reach(plan.plural, verb)
    shape = reach_shape(plan, reach)
    view = view_of(call, plan)
    names = names or view.all_names
    run = plan.cached(("get", shape, names), lambda: _one(plan, shape, names))
    row = await tx.fetch_row(run, _values(call, reach, record_id))
    if row is None:
        raise not_found(plan, record_id)
    return plan.to_message(names)(row, view.own)


async def get_records(
    call: Call, tx: Tx, plan: Plan, ids: Sequence[str], names: tuple[str, ...] = ()
) -> list[Message]:
    """Several records in the order of their ids given; NotFound for the first out of reach."""
    view = view_of(call, plan)
    names = names or view.all_names
    rows = await read_found(call, tx, plan, ids, names)
    to_message = plan.to_message(names)
    return [to_message(row, view.own) for row in _ordered(plan, ids, rows)]


async def lock_records(
    call: Call, tx: Tx, plan: Plan, ids: Sequence[str], verb: str
) -> list[Record]:
    """Several whole rows in the order of their ids given, locked in the order of ids."""
    for one in ids:
        if not is_id(one):
            raise not_found(plan, one)
    return _ordered(plan, ids, await lock_found(call, tx, plan, ids, verb))


async def lock_found(
    call: Call, tx: Tx, plan: Plan, ids: Sequence[str], verb: str
) -> Sequence[Record]:
    """Those of the whole rows that the verb reaches, locked in the order of ids."""
    reach = call.reach(plan.plural, verb)
    shape = reach_shape(plan, reach)
    run = plan.cached(("lock many", shape), lambda: _many(plan, shape, (), lock=True))
    values = {**reach_values(reach), "tenant_id": call.tenant_id, "ids": list(ids)}
    return await tx.fetch(run, values)


async def read_found(
    call: Call, tx: Tx, plan: Plan, ids: Sequence[str], names: tuple[str, ...], verb: str = "READ"
) -> Sequence[Record]:
    """Those of the rows that the verb reaches, with the columns of these fields."""
    reach = call.reach(plan.plural, verb)
    shape = reach_shape(plan, reach)
    run = plan.cached(("get many", shape, names), lambda: _many(plan, shape, names))
    values = {**reach_values(reach), "tenant_id": call.tenant_id, "ids": list(ids)}
    return await tx.fetch(run, values)


async def lock_record(call: Call, tx: Tx, plan: Plan, record_id: str, verb: str) -> Record:
    """The whole row, locked until the transaction ends; NotFound when the verb does not
    reach it.
    """
    if not is_id(record_id):
        raise not_found(plan, record_id)
    reach = call.reach(plan.plural, verb)
    shape = reach_shape(plan, reach)
    run = plan.cached(("lock", shape), lambda: _one(plan, shape, (), lock=True))
    row = await tx.fetch_row(run, _values(call, reach, record_id))
    if row is None:
        raise not_found(plan, record_id)
    return row


def plan_of(plans: Mapping[str, Found], plural: str) -> Found:
    """What a service has for this collection; NotFound when there is none."""
    if plural not in plans:
        raise NotFound("COLLECTION_NOT_FOUND", f"There is no collection {plural}.")
    return plans[plural]


def not_found(plan: Plan, record_id: str) -> NotFound:
    """The one answer to everything that is not there for the caller."""
    return NotFound(
        "NOT_FOUND",
        f"There is no {plan.singular} {record_id}.",
        metadata={"resource": plan.singular, "id": record_id},
    )


def _values(call: Call, reach: Reach, record_id: str) -> dict[str, object]:
    return {**reach_values(reach), "tenant_id": call.tenant_id, "id": record_id}


def _one(plan: Plan, shape: Shape, names: tuple[str, ...], lock: bool = False) -> Statement:
    table = plan.resource.table
    query = select(*plan.columns_of(names)).where(
        table.c.tenant_id == bindparam("tenant_id"),
        table.c.id == bindparam("id"),
        *reach_condition(plan, shape),
    )
    # Not the key: other records may go on referring to the row.
    return statement(query.with_for_update(key_share=True) if lock else query)


def _many(plan: Plan, shape: Shape, names: tuple[str, ...], lock: bool = False) -> Statement:
    table = plan.resource.table
    query = select(*plan.columns_of(names)).where(
        table.c.tenant_id == bindparam("tenant_id"),
        table.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
        *reach_condition(plan, shape),
    )
    return statement(query.order_by(table.c.id).with_for_update(key_share=True) if lock else query)


def _ordered(plan: Plan, ids: Sequence[str], rows: Sequence[Record]) -> list[Record]:
    found = {str(row["id"]): row for row in rows}
    for one in ids:
        if one.lower() not in found:
            raise not_found(plan, one)
    return [found[one.lower()] for one in ids]
