"""BulkService: what a bulk change would work on, and its start."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.longrunning.operations_pb2 import Operation as OperationMessage
from google.protobuf.json_format import MessageToJson

from chassis.bulk.action import Action
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.lookup import LABEL, has_label
from chassis.operations.message import BULK, worked_on
from chassis.operations.start import Starter
from chassis.resource.listing import Page, list_records
from chassis.resource.read import plan_of, read_found
from chassis.resource.standard import Collection
from chassis.rpc.methods import Free, Methods, Unary
from crm.chassis.v1 import bulk_pb2 as pb
from crm.type.v1.requests_pb2 import ListRequest

EXAMPLES = 5

Request = pb.PreviewBulkRequest | pb.CreateBulkRequest


@dataclass(frozen=True)
class Bulks:
    """Handlers over the collections of one service."""

    starter: Starter
    collections: Mapping[str, Collection]

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"PreviewBulk": Unary(self.preview), "CreateBulk": Free(self.create)}

    async def preview(
        self, call: Call, tx: Tx, request: pb.PreviewBulkRequest
    ) -> pb.PreviewBulkResponse:
        """Count what the caller reads and what of it he may do this to."""
        collection = self._collection(request)
        verb = "READ"
        if request.HasField("action"):
            action = Action(collection, request.action)
            await action.check(call, tx)
            verb = action.verb
        count = _count_ids if request.ids else _count_matches
        return await count(call, tx, collection, request, verb)

    async def create(self, call: Call, request: pb.CreateBulkRequest) -> OperationMessage:
        """Check everything that can be known beforehand, then have the worker begin."""
        collection = self._collection(request)
        async with self.starter.database.transaction(call.tenant_id) as tx:
            action = Action(collection, request.action)
            await action.check(call, tx)
            if request.filter:
                await _page(call, tx, collection, ListRequest(filter=request.filter, page_size=1))
        text = MessageToJson(request, preserving_proto_field_name=True, indent=None)
        asked = {"resource": worked_on(request), "verb": action.verb, "body": text}
        asked["cause_id"] = call.cause_id
        return await self.starter.start(call, self.starter.operation(call, BULK, asked))

    def _collection(self, request: Request) -> Collection:
        collection = plan_of(self.collections, worked_on(request))
        if bool(request.filter.strip()) == bool(request.ids):
            raise invalid_fields([("filter", "Give either a filter or ids.")])
        return collection


async def _page(
    call: Call, tx: Tx, collection: Collection, request: ListRequest, verb: str = "READ"
) -> Page:
    return await list_records(call, tx, collection.plan, request, collection.page_token_key, verb)


async def _count_matches(
    call: Call, tx: Tx, collection: Collection, request: pb.PreviewBulkRequest, verb: str
) -> pb.PreviewBulkResponse:
    fields = f"id,{LABEL}" if has_label(call, collection.plan) else "id"
    asked = ListRequest(filter=request.filter, page_size=EXAMPLES, fields=fields, count="exact")
    page = await _page(call, tx, collection, asked)
    allowed = page if verb == "READ" else await _page(call, tx, collection, asked, verb)
    examples = [
        pb.PreviewBulkResponse.Example(id=one.id, label=getattr(one, LABEL, ""))  # type: ignore[attr-defined]  # every resource has it
        for one in page.records
    ]
    return pb.PreviewBulkResponse(
        count=page.total_size or 0, allowed_count=allowed.total_size or 0, examples=examples
    )


async def _count_ids(
    call: Call, tx: Tx, collection: Collection, request: pb.PreviewBulkRequest, verb: str
) -> pb.PreviewBulkResponse:
    plan, ids = collection.plan, request.ids
    names = ("delete_time", LABEL) if has_label(call, plan) else ("delete_time",)
    rows = await read_found(call, tx, plan, ids, names)
    living = {str(row["id"]): row for row in rows if row["delete_time"] is None}
    allowed = await read_found(call, tx, plan, list(living), ("id",), verb)
    examples = [
        pb.PreviewBulkResponse.Example(id=one, label=living[one].get(LABEL) or "")
        for one in sorted(living)[:EXAMPLES]
    ]
    return pb.PreviewBulkResponse(count=len(living), allowed_count=len(allowed), examples=examples)
