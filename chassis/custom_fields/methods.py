"""The settings of collections: the methods of every resource, by the rights on the collection and
among its records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from google.protobuf.message import Message

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.custom_fields.source import CustomFieldSource
from chassis.db.pool import Tx
from chassis.history.methods import Histories
from chassis.resource.read import get_records, plan_of
from chassis.resource.standard import Collection
from chassis.rpc.methods import Handler, Unary
from crm.chassis.v1 import setting_pb2 as pb
from crm.chassis.v1.history_pb2 import ListHistoryRequest, ListHistoryResponse
from crm.type.v1.requests_pb2 import BatchDeleteRequest, DeleteRequest, ListRequest


@dataclass(frozen=True, eq=False)
class Settings:
    """Own fields, or choices; `owners` are the collections of the service that they belong to,
    `key` signs page tokens.
    """

    every: Collection
    owners: Sequence[str]
    source: CustomFieldSource
    key: bytes

    @cached_property
    def collections(self) -> Mapping[str, Collection]:
        """The settings of each collection alone, by its name."""
        plan = self.every.plan
        return {one: replace(self.every, plan=replace(plan, of=one)) for one in self.owners}

    def methods(self) -> dict[str, Handler]:
        """Handlers by rpc name."""
        each = {of: one.methods() for of, one in self.collections.items()}
        again = {name: one.reread for name, one in self.every.methods().items()}
        return {
            name: self._among(
                {of: methods[name] for of, methods in each.items()}, changes=bool(one)
            )
            for name, one in again.items()
        }

    async def list_history(
        self, call: Call, tx: Tx, request: ListHistoryRequest
    ) -> ListHistoryResponse:
        """One page of the changes of a record."""
        request.resource = plan_of(self.collections, request.resource).plan.name
        return await self._histories.list(call, tx, request)

    @cached_property
    def _histories(self) -> Histories:
        plans = (one.plan for one in self.collections.values())
        return Histories({one.name: one for one in plans}, self.key)

    def _among(self, each: Mapping[str, Unary], *, changes: bool) -> Unary:
        """The method, for the records of the collection that the request names."""

        async def run(call: Call, tx: Tx, request: Message) -> Message:
            resource: str = request.resource  # type: ignore[attr-defined]  # every such request has it
            method = plan_of(each, resource)
            # Who may not change anything here hears nothing of what is wrong with it.
            self.collections[resource].plan.reach(call, "UPDATE" if changes else "READ")
            _refuse_others(resource, request)
            if changes:
                tx.on_commit(self.source.forget, call.tenant_id)
            return await method.run(call, tx, _plain(request))

        async def reread(call: Call, tx: Tx, record_ids: Sequence[str]) -> Message:
            plan = self.every.plan
            granted = replace(call, granted=plan.plural)
            (resource,) = {one.resource for one in await get_records(granted, tx, plan, record_ids)}  # type: ignore[attr-defined]  # both messages have it
            again = each[resource].reread
            assert again is not None
            return await again(call, tx, record_ids)

        return Unary(run, reread if changes else None)


def _refuse_others(resource: str, request: Message) -> None:
    """What a batch changes belongs to the collection that the path names."""
    for at, one in enumerate(getattr(request, "requests", ())):
        if one.resource not in {"", resource}:
            text = "It is given by the request."
            raise invalid_fields([(f"requests[{at}].resource", text)])


def _plain(request: Message) -> Message:
    """The request as the methods of every resource take it."""
    match request:
        case pb.DeleteSettingRequest():
            return DeleteRequest(id=request.id)
        case pb.BatchDeleteSettingsRequest():
            return BatchDeleteRequest(ids=request.ids)
        case pb.ListSettingsRequest():
            return ListRequest(
                filter=request.filter,
                order_by=request.order_by or "position",
                page_size=request.page_size,
                page_token=request.page_token,
                show_deleted=request.show_deleted,
                fields=request.fields,
                count=request.count,
            )
    return request
