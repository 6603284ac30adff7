"""Current rows of a resource, deleted ones included, for consumers that boot or rebuild."""

from collections.abc import Sequence

import orjson
from sqlalchemy import ColumnElement, bindparam, literal, select, true, tuple_
from sqlalchemy.dialects.postgresql import UUID

from chassis.access.place import GRANTEES
from chassis.custom_fields.source import CustomFieldSource
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.events.change_service import SnapshotSource
from chassis.resource.plan import Plan
from chassis.shares.reach import grantees_of
from crm.event.v1.change_pb2 import RecordState


def snapshot_source(plan: Plan, custom: CustomFieldSource) -> SnapshotSource:
    """The pages of a resource by tenant and id, read by the worker across tenants."""
    table, to_message = plan.resource.table, plan.to_message(())
    last = tuple_(*[bindparam(name, type_=UUID(as_uuid=False)) for name in ("tenant", "record")])
    start = _page(plan, true())
    further = _page(plan, tuple_(table.c.tenant_id, table.c.id) > last)

    async def page(tx: Tx, after: tuple[str, str] | None, limit: int) -> Sequence[RecordState]:
        values: dict[str, object] = {"limit": limit}
        if after is not None:
            values |= {"tenant": after[0], "record": after[1]}
        rows = await tx.fetch(start if after is None else further, values)
        tenants = {row["tenant_id"] for row in rows}
        own = {one: (await custom(str(one))).of(plan.plural) for one in tenants}
        return [
            RecordState(
                tenant_id=str(row["tenant_id"]),
                id=str(row["id"]),
                version=row["version"],
                data=orjson.dumps(
                    plan.encode(to_message(row, own[row["tenant_id"]])) | _shared(row)
                ),
            )
            for row in rows
        ]

    return page


def _shared(row: Record) -> dict[str, object]:
    """With whom the record is shared, as its events say it."""
    found = [str(one) for one in row.get(GRANTEES, ())]
    return {GRANTEES: found} if found else {}


def _page(plan: Plan, after: ColumnElement[bool]) -> Statement:
    table = plan.resource.table
    shared = [grantees_of(table, literal(table.name), table.c.id)] if plan.owned else []
    return statement(
        select(table.c.tenant_id, *plan.columns_of(()), *shared)
        .where(after)
        .order_by(table.c.tenant_id, table.c.id)
        .limit(bindparam("limit"))
    )
