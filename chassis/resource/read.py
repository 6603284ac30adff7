"""Reads of one record: within the caller's reach, else not found, everywhere and
indistinguishably.
"""

from google.protobuf.message import Message
from sqlalchemy import bindparam, select

from chassis.access.model import Reach
from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.errors import NotFound
from chassis.ids import is_id
from chassis.resource.plan import Plan, reach_condition, reach_shape, reach_values


async def get_record(
    call: Call, tx: Tx, plan: Plan, record_id: str, names: tuple[str, ...] = ()
) -> Message:
    """The record with these fields, deleted or not; NotFound when out of reach."""
    reach = call.reach(plan.plural, "READ")
    shape = reach_shape(plan, reach)
    run = plan.cached(("get", shape, names), lambda: _one(plan, shape, names))
    row = await tx.fetch_row(run, _values(call, reach, record_id))
    if row is None:
        raise not_found(plan, record_id)
    return plan.to_message(names)(row)


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


def not_found(plan: Plan, record_id: str) -> NotFound:
    """The one answer to everything that is not there for the caller."""
    return NotFound(
        "NOT_FOUND",
        f"There is no {plan.singular} {record_id}.",
        metadata={"resource": plan.singular, "id": record_id},
    )


def _values(call: Call, reach: Reach, record_id: str) -> dict[str, object]:
    return {**reach_values(reach), "tenant_id": call.tenant_id, "id": record_id}


def _one(
    plan: Plan, shape: tuple[bool, bool], names: tuple[str, ...], lock: bool = False
) -> Statement:
    table = plan.resource.table
    query = select(*plan.columns_of(names)).where(
        table.c.tenant_id == bindparam("tenant_id"),
        table.c.id == bindparam("id"),
        *reach_condition(plan, shape),
    )
    # Not the key: other records may go on referring to the row.
    return statement(query.with_for_update(key_share=True) if lock else query)
