"""The records that belong to a collection as a whole: the methods of every resource, by the rights
on that collection and among its records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from google.protobuf.message import Message

from chassis.access.field_rules import HIDDEN
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.custom_fields.source import CustomFieldSource
from chassis.db.pool import Tx
from chassis.filter.parser import parse_filter
from chassis.history.methods import Histories
from chassis.ids import is_id
from chassis.resource.plan import Plan
from chassis.resource.read import get_records, not_found, plan_of
from chassis.resource.standard import Collection
from chassis.rpc.methods import Handler, Unary
from crm.chassis.v1 import setting_pb2 as pb
from crm.chassis.v1.history_pb2 import ListHistoryRequest, ListHistoryResponse
from crm.type.v1.requests_pb2 import BatchDeleteRequest, DeleteRequest, ListRequest

READ, CONFIGURE = "READ", "CONFIGURE"


@dataclass(frozen=True, eq=False)
class Settings:
    """The methods of own fields, or of choices; `plans` are the collections of the service."""

    collection: Collection
    plans: Mapping[str, Plan]
    source: CustomFieldSource
    histories: Histories

    def methods(self) -> dict[str, Handler]:
        """Handlers by rpc name."""
        return {name: self._among(one) for name, one in self.collection.methods().items()}

    async def list_history(
        self, call: Call, tx: Tx, request: ListHistoryRequest
    ) -> ListHistoryResponse:
        """One page of the changes of a record."""
        call = self.admit(call, request.resource, READ)
        await self.require_own(call, tx, request.resource, [request.id])
        request.resource = self.collection.plan.plural
        return await self.histories.list(call, tx, request)

    def _among(self, every: Unary) -> Unary:
        """The method, for the records of the collection that the request names."""
        again = every.reread
        verb = CONFIGURE if again else READ

        async def run(call: Call, tx: Tx, request: Message) -> Message:
            resource: str = request.resource  # type: ignore[attr-defined]  # every such request has it
            call = self.admit(call, resource, verb)
            if verb == CONFIGURE:
                tx.on_commit(self.source.forget, call.tenant_id)
            await self.require_own(call, tx, resource, self._named(resource, request))
            answer = await every.run(call, tx, _plain(request))
            return self._seen(call, resource, answer) if verb == READ else answer

        async def reread(call: Call, tx: Tx, record_ids: Sequence[str]) -> Message:
            assert again is not None
            granted, plan = self._granted(call), self.collection.plan
            for one in await get_records(granted, tx, plan, record_ids):
                call.require_all(one.resource, CONFIGURE)  # type: ignore[attr-defined]  # both messages have it
            return await again(granted, tx, record_ids)

        return Unary(run, reread if again else None)

    def admit(self, call: Call, resource: str, verb: str) -> Call:
        """The call with the rights that it needs here, when its roles grant the verb on the
        collection.
        """
        plural = plan_of(self.plans, resource).plural
        if verb == CONFIGURE:
            call.require_all(plural, verb)
        else:
            call.reach(plural, verb)
        return self._granted(call)

    async def require_own(self, call: Call, tx: Tx, resource: str, ids: Sequence[str]) -> None:
        """NotFound for a record that is not there, or belongs to another collection."""
        plan = self.collection.plan
        for one in ids:
            if not is_id(one):
                raise not_found(plan, one)
        for found in await get_records(call, tx, plan, ids) if ids else ():
            if found.resource != resource or found.id in _hidden_ids(call, resource):  # type: ignore[attr-defined]  # as above
                raise not_found(plan, found.id)  # type: ignore[attr-defined]  # as above

    def _named(self, resource: str, request: Message) -> Sequence[str]:
        """The ids that a request names; the new records that it brings belong to its collection."""
        known = request.DESCRIPTOR.fields_by_name
        if "ids" in known:
            return request.ids  # type: ignore[attr-defined, no-any-return]  # as it says
        if "id" in known:
            return [request.id]  # type: ignore[attr-defined]  # as it says
        many: Sequence[Message] = getattr(request, "requests", ())
        ids = [self._one(resource, one, f"requests[{at}].") for at, one in enumerate(many)]
        if not many and self.collection.plan.singular in known:
            ids = [self._one(resource, request, "")]
        return [one for one in ids if one]

    def _one(self, resource: str, request: Message, place: str) -> str:
        """The id of the record that one request changes; "" for a new one."""
        record: Message = getattr(request, self.collection.plan.singular)
        told, found = {request.resource}, record.id  # type: ignore[attr-defined]  # as above
        if "update_mask" not in request.DESCRIPTOR.fields_by_name:
            told.add(record.resource)  # type: ignore[attr-defined]  # as above
            record.resource, found = resource, ""  # type: ignore[attr-defined]  # as above
        if told - {"", resource}:
            raise invalid_fields([(f"{place}resource", "It is given by the request.")])
        return str(found)

    def _seen(self, call: Call, resource: str, answer: Message) -> Message:
        """A page without what belongs to fields that are hidden from the caller."""
        plural = self.collection.plan.plural
        if hidden := _hidden_ids(call, resource):
            records = getattr(answer, plural, [])
            for one in [one for one in records if one.id in hidden]:
                records.remove(one)
        return answer

    def _granted(self, call: Call) -> Call:
        return replace(call, granted=self.collection.plan.plural)


def _plain(request: Message) -> Message:
    """The request as the methods of every resource take it."""
    match request:
        case pb.DeleteSettingRequest():
            return DeleteRequest(id=request.id)
        case pb.BatchDeleteSettingsRequest():
            return BatchDeleteRequest(ids=request.ids)
        case pb.ListSettingsRequest():
            return _narrowed(request)
    return request


def _narrowed(request: pb.ListSettingsRequest) -> ListRequest:
    """The records of the collection, by position unless asked otherwise."""
    parse_filter(request.filter)
    # OR binds closer than AND (AIP-160), so what is added narrows the whole filter.
    mine = f'resource = "{request.resource}"'
    return ListRequest(
        filter=f"{request.filter} AND {mine}" if request.filter.strip() else mine,
        order_by=request.order_by or "position",
        page_size=request.page_size,
        page_token=request.page_token,
        show_deleted=request.show_deleted,
        fields=request.fields,
        count=request.count,
    )


def _hidden_ids(call: Call, resource: str) -> set[str]:
    """Own fields and choices of fields that the caller's roles hide from him."""
    own, access = call.custom.of(resource), call.field_access(resource)
    ids = [(one.path, (one.id, *one.choices)) for one in own.definitions]
    ids += [(name, tuple(choices)) for name, choices in own.lists.items()]
    return {one for path, found in ids if access.level(path) == HIDDEN for one in found}
