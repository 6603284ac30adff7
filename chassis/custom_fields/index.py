"""An index for one own field, made on demand while writes go on: every process is told first, then
the side table is filled in batches, then lists use it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import BigInteger, bindparam, cast, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.types import Text

from chassis.call import Call
from chassis.custom_fields.companion import NAME, keep_values, parameters
from chassis.custom_fields.model import CUSTOM, Definition, stored_values
from chassis.custom_fields.source import SILENCE_MAX_S, CustomFieldSource
from chassis.custom_fields.tables import VALUE
from chassis.custom_fields.values import TRACKED_TEXT_MAX
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.errors import FailedPrecondition
from chassis.operations.task import Task
from chassis.resource.plan import Plan
from chassis.resource.read import lock_record
from chassis.resource.resource import Row
from chassis.resource.standard import Collection
from chassis.resource.write import update_record

KIND = "custom-field-index"
NOT_INDEXED, BUILDING, READY = "NOT_INDEXED", "BUILDING", "READY"
# Until every process has heard that the field is tracked, or is not any more.
SETTLE_S = SILENCE_MAX_S + 1.0
# A transaction lasts no longer (see SERVER_SETTINGS of the pool).
TRANSACTION_MAX_S = 15.0
WAIT_S = 0.2
BATCH = 1000
FIRST = "00000000-0000-0000-0000-000000000000"
_ID = UUID(as_uuid=False)
_IDS = bindparam(f"{NAME}_record", type_=ARRAY(_ID))
_FILL = statement(keep_values(func.unnest(_IDS)))


def _number(snapshot: str) -> Statement:
    edge = getattr(func, snapshot)(func.pg_current_snapshot())
    return statement(select(cast(cast(edge, Text), BigInteger).label("number")))  # SQL's cast


_NEXT, _OLDEST = _number("pg_snapshot_xmax"), _number("pg_snapshot_xmin")
_KEY = (VALUE.c.tenant_id, VALUE.c.field_id, VALUE.c.record_id)
_DROP = statement(
    delete(VALUE).where(
        tuple_(*_KEY).in_(
            select(*_KEY)
            .where(
                VALUE.c.tenant_id == bindparam("tenant_id"),
                VALUE.c.field_id == bindparam("field_id"),
            )
            .limit(bindparam("limit"))
        )
    )
)


@dataclass(frozen=True, eq=False)
class IndexWork:
    """The work of operations of this kind; `fields` has the definitions of each collection."""

    fields: Mapping[str, Collection]
    plans: Mapping[str, Plan]
    source: CustomFieldSource

    async def __call__(self, task: Task) -> None:
        """Fill the side table for a field whose index is asked for, else empty it."""
        await _settle(task)
        step = self._fill if task.operation.request["build"] else self._drop
        more = True
        while more:
            call = await self._call(task)
            async with task.batch() as tx:
                more = await step(task, call, tx)
                progress = await task.save(tx, task.progress)
            task.committed(progress)

    async def _fill(self, task: Task, call: Call, tx: Tx) -> bool:
        """Fill the rows of the next records by id; whether there are more."""
        plan, at = self.plans[str(task.operation.request["resource"])], task.progress
        field = await self._locked(task, call, tx, BUILDING)
        # Whoever gives the index up and asks for it again has writers forget the field in between.
        if field["version"] != task.operation.request["version"]:
            raise _changed()
        values = {"tenant_id": call.tenant_id, "after": at.cursor or FIRST, "limit": BATCH}
        rows = await tx.fetch(plan.cached("own values", lambda: _page(plan)), values)
        if rows:
            one = call.custom.of(field["resource"]).by_id[str(field["id"])]
            await tx.execute(_FILL, _filled(call, one, rows))
            done, last = at.updated + len(rows), str(rows[-1]["id"])
            task.progress = replace(at, updated=done, cursor=last)
        if len(rows) < BATCH:
            ready: Row = {"index_state": READY}
            await update_record(call, tx, self._definitions(task), field, ready, "updated")
            tx.on_commit(self.source.forget, call.tenant_id)
        return len(rows) == BATCH

    async def _drop(self, task: Task, call: Call, tx: Tx) -> bool:
        """Remove some rows; whether there are more."""
        field = await self._locked(task, call, tx, NOT_INDEXED)
        if field["unique_values"]:
            return False
        keys = {"tenant_id": call.tenant_id, "field_id": field["id"], "limit": BATCH}
        return await tx.execute(_DROP, keys) == BATCH

    async def _call(self, task: Task) -> Call:
        """The user's call of this moment."""
        call = (await task.deputy()).call
        self._definitions(task).reach(call, "UPDATE")
        return call

    def _definitions(self, task: Task) -> Plan:
        return self.fields[str(task.operation.request["resource"])].plan

    async def _locked(self, task: Task, call: Call, tx: Tx, state: str) -> Record:
        """The field, in the state that the work is for."""
        field_id = str(task.operation.request["field_id"])
        field = await lock_record(call, tx, self._definitions(task), field_id, "UPDATE")
        if field["index_state"] != state:
            raise _changed()
        return field


def _changed() -> FailedPrecondition:
    return FailedPrecondition("INDEX_CHANGED", "The field was changed in the meantime.")


def _page(plan: Plan) -> Statement:
    """Records after an id, kept from being changed until the batch ends."""
    table = plan.resource.table
    return statement(
        select(table.c.tenant_id, table.c.id, table.c.delete_time, table.c[CUSTOM])
        .where(table.c.tenant_id == bindparam("tenant_id"), table.c.id > bindparam("after"))
        .order_by(table.c.id)
        .limit(bindparam("limit"))
        .with_for_update(read=True)
    )


def _filled(call: Call, one: Definition, rows: Sequence[Record]) -> Row:
    """The parameters of the fill for these records."""
    made: dict[str, list[object]] = {}
    for row in rows:
        values = stored_values(row[CUSTOM])
        if len(str(values.get(one.id, ""))) > TRACKED_TEXT_MAX:
            raise FailedPrecondition(
                "TEXT_TOO_LONG_FOR_INDEX",
                f"A record has more than {TRACKED_TEXT_MAX} characters in the field.",
                metadata={"id": str(row["id"])},
            )
        for name, value in parameters(dict(row), [one], values).items():
            made.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    return {**made, f"{NAME}_tenant": call.tenant_id}


async def _settle(task: Task) -> None:
    """Wait until whoever worked by what was known before is done."""
    await asyncio.sleep(SETTLE_S)
    until = asyncio.get_running_loop().time() + TRANSACTION_MAX_S
    async with task.read() as tx:
        row = await tx.fetch_row(_NEXT, {})
    begun = row["number"] if row else 0
    while asyncio.get_running_loop().time() < until:
        async with task.read() as tx:
            row = await tx.fetch_row(_OLDEST, {})
        if row is None or row["number"] >= begun:
            return
        await asyncio.sleep(WAIT_S)
