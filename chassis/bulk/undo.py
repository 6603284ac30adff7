"""Takes a bulk change back: each record that is still as the change has left it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson
from google.protobuf.json_format import Parse
from sqlalchemy import DateTime, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.bulk.action import Action, update_request
from chassis.bulk.work import Run
from chassis.call import Call
from chassis.codec import decoder
from chassis.custom_fields.model import CUSTOM
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from chassis.events.tables import CHANGE
from chassis.operations.items import Item, Items
from chassis.operations.message import worked_on
from chassis.operations.task import Task
from chassis.resource.plan import Plan
from chassis.resource.read import plan_of
from chassis.resource.resource import Row
from chassis.resource.rows import column_values
from chassis.resource.standard import Collection
from crm.chassis.v1.bulk_pb2 import CreateBulkRequest

_CHANGES = statement(
    select(CHANGE.c.record_id, CHANGE.c.version, CHANGE.c.changes).where(
        CHANGE.c.tenant_id == bindparam("tenant_id"),
        CHANGE.c.record_id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
        CHANGE.c.resource == bindparam("resource"),
        CHANGE.c.create_time >= bindparam("since", type_=DateTime(timezone=True)),
    )
)


@dataclass(frozen=True)
class UndoWork:
    """The work of operations of kind "undo" over the collections of one service."""

    collections: Mapping[str, Collection]

    async def __call__(self, task: Task) -> None:
        """Restore what is left to restore."""
        asked = task.operation.request
        bulk = Parse(str(asked["body"]), CreateBulkRequest())
        collection = plan_of(self.collections, worked_on(bulk))
        verb = Action(collection, bulk.action).verb
        step = _UndoStep(collection, verb, datetime.fromisoformat(str(asked["since"])))
        tenant_id = task.operation.tenant_id
        own = Items(tenant_id, task.operation.id)
        undone = Items(tenant_id, str(asked["operation_id"]))
        await Run(task, step, undone, own.add, wanted="updated").run()


@dataclass(frozen=True)
class _UndoStep:
    collection: Collection
    verb: str
    since: datetime
    # {record: {field: {"from": ..., "to": ...}}} of the batch at work.
    _changes: dict[str, Mapping[str, Mapping[str, object]]] = field(default_factory=dict)

    @property
    def at_once(self) -> bool:
        return self.verb == "DELETE"

    async def begin(self, call: Call, tx: Tx, items: Sequence[Item]) -> None:
        """Read from what the bulk change has changed the records."""
        self._changes.clear()
        versions = {one.record_id: one.version for one in items}
        values = {
            "tenant_id": call.tenant_id,
            "ids": list(versions),
            "resource": self.collection.plan.singular,
            "since": self.since,
        }
        for row in await tx.fetch(_CHANGES, values):
            if versions[str(row["record_id"])] == row["version"]:
                self._changes[str(row["record_id"])] = orjson.loads(row["changes"])

    def skip(self, item: Item, before: Record) -> str:
        return "" if before["version"] == item.version else "It has been changed since."

    async def row(self, call: Call, tx: Tx, item: Item, before: Record) -> Row:
        """The fields as they were: those that users set by the rules of an update, the others as
        they stood beside them.
        """
        plan = self.collection.plan
        then = _before(self._changes[item.record_id])
        own = {one.name: then[one.name] for one in plan.writable if one.name in then}
        row = await self.collection.changed(call, tx, before, update_request(plan, own))
        return row | _others(plan, {name: then[name] for name in then if name not in own})

    async def write(self, call: Call, tx: Tx, before: Record) -> None:
        await self.collection.restore(call, tx, before)


def _before(changes: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """The values before a change; own fields that it has brought are cleared again."""
    then = {name: change["from"] for name, change in changes.items()}
    if CUSTOM in then:
        old, new = then[CUSTOM], changes[CUSTOM]["to"]
        brought = dict.fromkeys(new) if isinstance(new, dict) else {}
        then[CUSTOM] = brought | old if isinstance(old, dict) else brought
    return then


def _others(plan: Plan, values: Mapping[str, object]) -> Row:
    message = decoder(plan.resource.message, allow_output_only=True)(dict(values))
    return column_values(message, [plan.fields[name] for name in values if name in plan.fields])
