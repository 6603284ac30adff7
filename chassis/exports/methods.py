"""ExportService: the start of an export, which is logged."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.longrunning.operations_pb2 import Operation as OperationMessage
from google.protobuf.json_format import MessageToJson

from chassis.call import Call
from chassis.db.pool import Tx
from chassis.events.change_row import record_event
from chassis.exports.work import told
from chassis.operations import store
from chassis.operations.message import EXPORT, worked_on
from chassis.operations.start import Starter
from chassis.operations.store import Operation
from chassis.resource.listing import list_records
from chassis.resource.read import plan_of
from chassis.resource.standard import Collection
from chassis.rpc.methods import Free, Methods
from crm.chassis.v1.export_pb2 import CreateExportRequest
from crm.type.v1.requests_pb2 import ListRequest


@dataclass(frozen=True)
class Exports:
    """Handlers over the collections of one service."""

    starter: Starter
    collections: Mapping[str, Collection]

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"CreateExport": Free(self.create)}

    async def create(self, call: Call, request: CreateExportRequest) -> OperationMessage:
        """Check everything that can be known beforehand, then have the worker begin."""
        collection = plan_of(self.collections, worked_on(request))
        plan, key = collection.plan, collection.page_token_key
        first = ListRequest(
            filter=request.filter, order_by=request.order_by, fields=request.fields, page_size=1
        )
        async with self.starter.database.transaction(call.tenant_id) as tx:
            await list_records(call, tx, plan, first, key, EXPORT.upper())

        async def note(tx: Tx, operation: Operation) -> None:
            record_id = store.record_id(operation.id)
            await record_event(call, tx, EXPORT, "started", record_id, told(operation, request))

        text = MessageToJson(request, preserving_proto_field_name=True, indent=None)
        extension = "xlsx" if request.format == CreateExportRequest.XLSX else "csv"
        asked = {"resource": worked_on(request), "body": text, "extension": extension}
        operation = self.starter.operation(call, EXPORT, asked)
        return await self.starter.start(call, operation, note=note)
