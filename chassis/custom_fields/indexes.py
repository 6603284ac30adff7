"""The methods that have an index of an own field made or given up."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from google.longrunning.operations_pb2 import Operation as OperationMessage

from chassis.call import Call
from chassis.custom_fields.index import BUILDING, KIND, NOT_INDEXED, READY
from chassis.custom_fields.methods import Settings
from chassis.custom_fields.model import INDEX_KINDS, Kind
from chassis.db.pool import Tx
from chassis.errors import FailedPrecondition, NotFound, ResourceExhausted
from chassis.operations import store
from chassis.operations.message import operation_message
from chassis.operations.start import Starter, insert_operation
from chassis.resource.checks import check_match, refuse_deleted
from chassis.resource.read import lock_record, plan_of
from chassis.resource.write import update_record
from chassis.rpc.methods import Handler, Unary
from crm.chassis.v1 import custom_field_index_pb2 as pb

INDEXES_MAX = 20


@dataclass(frozen=True, eq=False)
class Indexes:
    """The two methods."""

    settings: Settings
    starter: Starter

    def methods(self) -> dict[str, Handler]:
        """Handlers by rpc name."""
        return {
            "BuildCustomFieldIndex": Unary(self.build, self.reread),
            "DropCustomFieldIndex": Unary(self.drop, self.reread),
        }

    async def build(
        self, call: Call, tx: Tx, request: pb.BuildCustomFieldIndexRequest
    ) -> OperationMessage:
        """Track the field from now on and fill in what there is; asked for again while it is being
        built, begin again.
        """
        own = call.custom.of(request.resource)
        others = [one for one in own.definitions if one.index_state != NOT_INDEXED]
        if len([one for one in others if one.id != request.id]) >= INDEXES_MAX:
            text = f"A collection has at most {INDEXES_MAX} indexes of its own fields."
            raise ResourceExhausted("INDEXES_MAX", text)
        return await self._start(call, tx, request.resource, request.id, BUILDING)

    async def drop(
        self, call: Call, tx: Tx, request: pb.DropCustomFieldIndexRequest
    ) -> OperationMessage:
        """Use it no more, then clear it away."""
        return await self._start(call, tx, request.resource, request.id, NOT_INDEXED)

    async def reread(self, call: Call, tx: Tx, record_ids: Sequence[str]) -> OperationMessage:
        """The operation that a repeated call started."""
        values = {"tenant_id": call.tenant_id, "principal_id": call.principal.id}
        for row in await tx.fetch(store.LIST, values):
            asked = orjson.loads(row["request"])
            if row["kind"] == KIND and asked["field_id"] == record_ids[0]:
                return operation_message(row)
        raise NotFound("NOT_FOUND", "The operation is forgotten.")

    async def _start(
        self, call: Call, tx: Tx, resource: str, field_id: str, state: str
    ) -> OperationMessage:
        settings = self.settings
        plan = plan_of(settings.collections, resource).plan
        before = await lock_record(call, tx, plan, field_id, "UPDATE")
        check_match(call.if_match, before["version"])
        refuse_deleted(plan, before)
        build = state == BUILDING
        if build and (before["index_state"] == READY or Kind(before["kind"]) not in INDEX_KINDS):
            text = "The field has an index, or is of a kind that has none."
            raise FailedPrecondition("FIELD_NOT_INDEXABLE", text, metadata={"id": field_id})
        await update_record(call, tx, plan, before, {"index_state": state}, "updated")
        version = before["version"] + (before["index_state"] != state)
        asked = {"resource": resource, "field_id": field_id, "build": build, "version": version}
        row = await insert_operation(tx, self.starter.operation(call, KIND, asked))
        tx.on_commit(settings.source.forget, call.tenant_id)
        tx.on_commit(self.starter.woken.set)
        return operation_message(row)
