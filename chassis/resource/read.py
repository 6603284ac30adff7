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
from chassis.errors import NotFound, missing
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
    reach = plan.reach(call, verb)
    shape = reach_shape(plan, reach)
    view = view_of(call, plan)
    names = names or view.all_names
    run = plan.cached(("get", shape, names), lambda: _select(plan, shape, names))
    row = await tx.fetch_row(run, _values(call, reach) | {"id": record_id})
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
    reach = plan.reach(call, verb)
    shape = reach_shape(plan, reach)
    run = plan.cached(("lock many", shape), lambda: _select(plan, shape, (), many=True, lock=True))
    return await tx.fetch(run, _values(call, reach) | {"ids": list(ids)})


async def read_found(
    call: Call, tx: Tx, plan: Plan, ids: Sequence[str], names: tuple[str, ...], verb: str = "READ"
) -> Sequence[Record]:
    """Those of the rows that the verb reaches, with the columns of these fields."""
    reach = plan.reach(call, verb)
    shape = reach_shape(plan, reach)
    run = plan.cached(("get many", shape, names), lambda: _select(plan, shape, names, many=True))
    return await tx.fetch(run, _values(call, reach) | {"ids": list(ids)})


async def lock_record(call: Call, tx: Tx, plan: Plan, record_id: str, verb: str) -> Record:
    """The whole row, locked until the transaction ends; NotFound when the verb does not
    reach it.
    """
    if not is_id(record_id):
        raise not_found(plan, record_id)
    reach = plan.reach(call, verb)
    shape = reach_shape(plan, reach)
    run = plan.cached(("lock", shape), lambda: _select(plan, shape, (), lock=True))
    row = await tx.fetch_row(run, _values(call, reach) | {"id": record_id})
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
    return missing(plan.singular, record_id)


def _values(call: Call, reach: Reach) -> dict[str, object]:
    return {**reach_values(reach), "tenant_id": call.tenant_id}


def _select(
    plan: Plan, shape: Shape, names: tuple[str, ...], *, many: bool = False, lock: bool = False
) -> Statement:
    """One row, or several in the order of their ids when they are locked."""
    table = plan.resource.table
    ids = any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))) if many else bindparam("id")
    query = select(*plan.columns_of(names)).where(
        table.c.tenant_id == bindparam("tenant_id"),
        table.c.id == ids,
        *reach_condition(plan, shape),
    )
    # Not the key: other records may go on referring to the row.
    return statement(query.order_by(table.c.id).with_for_update(key_share=True) if lock else query)


def _ordered(plan: Plan, ids: Sequence[str], rows: Sequence[Record]) -> list[Record]:
    found = {str(row["id"]): row for row in rows}
    for one in ids:
        if one.lower() not in found:
            raise not_found(plan, one)
    return [found[one.lower()] for one in ids]
