"""The records that belong to a collection as a whole: standard methods by the rights on that
collection.
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
from chassis.resource.listing import list_records, page_values
from chassis.resource.plan import Plan
from chassis.resource.read import get_record, not_found, plan_of
from chassis.resource.standard import Collection
from chassis.resource.view import view_of
from chassis.rpc.methods import Handler, Unary
from crm.chassis.v1 import setting_pb2 as pb
from crm.type.v1.requests_pb2 import DeleteRequest, ListRequest, UndeleteRequest

READ, CONFIGURE = "READ", "CONFIGURE"


@dataclass(frozen=True, eq=False)
class Settings:
    """The methods of own fields, or of choices; `plans` are the collections of the service."""

    collection: Collection
    plans: Mapping[str, Plan]
    source: CustomFieldSource
    page: type[Message]

    def methods(self, plural: str) -> dict[str, Handler]:
        """Handlers by rpc name; `plural` as in the names of rpcs."""
        name = self.collection.plan.resource.message.__name__
        return {
            f"Get{name}": Unary(self.get),
            f"List{plural}": Unary(self.list),
            f"Create{name}": Unary(self.create, self.reread),
            f"Update{name}": Unary(self.update, self.reread),
            f"Delete{name}": Unary(self.delete, self.reread),
            f"Undelete{name}": Unary(self.undelete, self.reread),
        }

    async def get(self, call: Call, tx: Tx, request: pb.GetSettingRequest) -> Message:
        """One record, deleted or not."""
        call = self.admit(call, request.resource, READ)
        names = view_of(call, self.collection.plan).names(request.fields)
        found = await self.own(call, tx, request.resource, request.id)
        return (
            await get_record(call, tx, self.collection.plan, request.id, names) if names else found
        )

    async def list(self, call: Call, tx: Tx, request: pb.ListSettingsRequest) -> Message:
        """One page, by position unless asked otherwise."""
        call = self.admit(call, request.resource, READ)
        parse_filter(request.filter)
        # OR binds closer than AND (AIP-160), so what is added narrows the whole filter.
        mine = f'resource = "{request.resource}"'
        whole = ListRequest(
            filter=f"{request.filter} AND {mine}" if request.filter.strip() else mine,
            order_by=request.order_by or "position",
            page_size=request.page_size,
            page_token=request.page_token,
            show_deleted=request.show_deleted,
            fields=request.fields,
            count=request.count,
        )
        plan, key = self.collection.plan, self.collection.page_token_key
        page = await list_records(call, tx, plan, whole, key)
        hidden = _hidden_ids(call, request.resource)
        seen = [one for one in page.records if one.id not in hidden]  # type: ignore[attr-defined]  # every record has it
        return self.page(**page_values(replace(page, records=seen), plan.plural))

    async def create(self, call: Call, tx: Tx, request: Message) -> Message:
        """Create one; its collection is that of the request."""
        resource, message = self._parts(request)
        call = self._change(call, tx, resource)
        if message.resource not in {"", resource}:  # type: ignore[attr-defined]  # both messages have it
            raise invalid_fields([("resource", "It is given by the request.")])
        message.resource = resource  # type: ignore[attr-defined]  # as above
        return await self.collection.create(call, tx, request)

    async def update(self, call: Call, tx: Tx, request: Message) -> Message:
        """Change the fields of the mask."""
        resource, message = self._parts(request)
        call = self._change(call, tx, resource)
        await self.own(call, tx, resource, message.id)  # type: ignore[attr-defined]  # as above
        return await self.collection.update(call, tx, request)

    async def delete(self, call: Call, tx: Tx, request: pb.DeleteSettingRequest) -> Message:
        """Put one that is retired into the recycle bin; values stay where they are."""
        call = self._change(call, tx, request.resource)
        await self.own(call, tx, request.resource, request.id)
        return await self.collection.delete(call, tx, DeleteRequest(id=request.id))

    async def undelete(self, call: Call, tx: Tx, request: pb.UndeleteSettingRequest) -> Message:
        """Take one out of the recycle bin; its values are there again."""
        call = self._change(call, tx, request.resource)
        await self.own(call, tx, request.resource, request.id)
        return await self.collection.undelete(call, tx, UndeleteRequest(id=request.id))

    async def reread(self, call: Call, tx: Tx, record_ids: Sequence[str]) -> Message:
        """The record as a repeated call gets it."""
        plan = self.collection.plan
        found = await get_record(replace(call, granted=plan.plural), tx, plan, record_ids[0])
        call.require_all(found.resource, CONFIGURE)  # type: ignore[attr-defined]  # as above
        return found

    def admit(self, call: Call, resource: str, verb: str) -> Call:
        """The call with the rights that it needs here, when its roles grant the verb on the
        collection; to configure it, on the whole of it.
        """
        plural = plan_of(self.plans, resource).plural
        if verb == CONFIGURE:
            call.require_all(plural, verb)
        else:
            call.reach(plural, verb)
        return replace(call, granted=self.collection.plan.plural)

    async def own(self, call: Call, tx: Tx, resource: str, record_id: str) -> Message:
        """The record; NotFound when it belongs to another collection or to a hidden field."""
        plan = self.collection.plan
        found = await get_record(call, tx, plan, record_id)
        if found.resource != resource or found.id in _hidden_ids(call, resource):  # type: ignore[attr-defined]  # as above
            raise not_found(plan, record_id)
        return found

    def _change(self, call: Call, tx: Tx, resource: str) -> Call:
        tx.on_commit(self.source.forget, call.tenant_id)
        return self.admit(call, resource, CONFIGURE)

    def _parts(self, request: Message) -> tuple[str, Message]:
        return request.resource, getattr(request, self.collection.plan.singular)  # type: ignore[attr-defined]  # every such request has it


def _hidden_ids(call: Call, resource: str) -> set[str]:
    """Own fields and choices of fields that the caller's roles hide from him."""
    own, access = call.custom.of(resource), call.field_access(resource)
    ids = [(one.path, (one.id, *one.choices)) for one in own.definitions]
    ids += [(name, tuple(choices)) for name, choices in own.lists.items()]
    return {one for path, found in ids if access.level(path) == HIDDEN for one in found}
