"""What a bulk change does with one record, and the verb that must reach the record for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct

from chassis.call import Call
from chassis.codec import decoder, encoder, invalid_fields
from chassis.codec.validate import validator
from chassis.db.pool import Record, Tx
from chassis.errors import InvalidArgument
from chassis.resource.checks import masked_fields
from chassis.resource.plan import Plan
from chassis.resource.references import require_references
from chassis.resource.resource import Row
from chassis.resource.rows import column_values
from chassis.resource.standard import Collection
from crm.chassis.v1.bulk_pb2 import BulkAction

FIELDS = "action.update.fields"
_VERBS = {"update": "UPDATE", "tag": "UPDATE", "assign": "ASSIGN", "delete": "DELETE"}


@dataclass(frozen=True)
class Action:
    """One action on one collection."""

    collection: Collection
    action: BulkAction

    @property
    def verb(self) -> str:
        """What the user must be allowed to do to each record."""
        return _VERBS[self._kind]

    async def check(self, call: Call, tx: Tx) -> None:
        """Refuse before anything runs what would be refused for every record."""
        kind, plan = self._kind, self.collection.plan
        plan.reach(call, self.verb)
        if kind == "assign" and not plan.owned:
            raise invalid_fields([("action.assign", f"{plan.plural} have no owner.")])
        tag = self.action.tag
        if kind == "tag" and not (tag.add or tag.remove):
            raise invalid_fields([("action.tag", "Name a tag to add or to remove.")])
        if kind != "delete":
            message: Message = getattr(self._first, plan.singular)
            names = masked_fields(call, plan, message, self._first.update_mask)  # type: ignore[attr-defined]  # every Update request has it
            row = column_values(message, [plan.fields[name] for name in names])
            await require_references(call, tx, self.collection, row)

    async def row(self, call: Call, tx: Tx, before: Record) -> Row:
        """The columns that change in a locked row."""
        tags = before["tags"] if self._kind == "tag" else []
        request = update_request(self.collection.plan, self._values(tags)) if tags else self._first
        return await self.collection.changed(call, tx, before, request)

    async def discard(self, call: Call, tx: Tx, before: Record) -> None:
        """Put a locked row into the recycle bin."""
        await self.collection.discard(call, tx, before, force=self.action.delete.force)

    @cached_property
    def _first(self) -> Message:
        """The request for a record without tags, which is the one for all unless tags change."""
        return update_request(self.collection.plan, self._values([]))

    @cached_property
    def _kind(self) -> str:
        kind: str | None = self.action.WhichOneof("action")
        if kind is None:
            raise invalid_fields([("action", "Name one: update, assign, tag or delete.")])
        return kind

    def _values(self, tags: list[str]) -> Mapping[str, object]:
        """The fields to set in a record with these tags."""
        action = self.action
        if self._kind == "assign":
            return {"owner_id": action.assign.owner_id}
        if self._kind == "update":
            values = encoder(Struct)(action.update.fields)
            if not values:
                raise invalid_fields([(FIELDS, "Name a field to set.")])
            return values
        kept = [tag for tag in tags if tag not in action.tag.remove]
        return {"tags": [*kept, *(tag for tag in action.tag.add if tag not in kept)]}


def update_request(plan: Plan, values: Mapping[str, object]) -> Message:
    """The Update request that sets these fields, as PATCH takes them; wrong ones are
    InvalidArgument.
    """
    name = plan.resource.message.__name__
    service = plan.descriptor.file.services_by_name[f"{name}Service"]
    kind = GetMessageClass(service.methods_by_name[f"Update{name}"].input_type)
    try:
        message = decoder(plan.resource.message)(dict(values))
    except InvalidArgument as error:
        error.fields = tuple((f"{FIELDS}.{path}", text) for path, text in error.fields)
        raise
    request = kind(**{plan.singular: message, "update_mask": {"paths": list(values)}})
    violations = validator(kind)(request)
    if violations:
        raise invalid_fields(
            [
                (f"{FIELDS}.{path.removeprefix(plan.singular + '.')}", text)
                for path, text in violations
            ]
        )
    return request
