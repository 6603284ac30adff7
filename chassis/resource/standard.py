"""The standard methods of every resource: plain functions that read top to bottom."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from sqlalchemy import Table, bindparam, literal_column, select

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.db.sql import Statement, statement
from chassis.errors import Aborted, FailedPrecondition, PermissionDenied
from chassis.ids import new_id
from chassis.resource.fields import Field
from chassis.resource.listing import list_records, page_values
from chassis.resource.plan import Plan, make_plan
from chassis.resource.read import get_record, lock_record
from chassis.resource.references import AskOwner, require_references
from chassis.resource.resource import Child, Resource, Row
from chassis.resource.rows import column_values
from chassis.resource.write import insert_record, update_record
from chassis.rpc.methods import Handler, Unary
from crm.type.v1.requests_pb2 import DeleteRequest, GetRequest, ListRequest, UndeleteRequest

CREATOR_FIELDS = ("owner_id", "department_id", "partner_company_id")


@dataclass(frozen=True, eq=False)
class Collection:
    """A resource at work: its plan and what the methods need from outside."""

    plan: Plan
    page_token_key: bytes
    ask_owner: AskOwner

    def methods(self) -> dict[str, Handler]:
        """The six standard methods by rpc name; a dict merge replaces or adds any."""
        name, descriptor = self.plan.resource.message.__name__, self.plan.descriptor
        service = descriptor.file.services_by_name[f"{name}Service"]
        lister = next(method for method in service.methods if method.name.startswith("List"))
        page = GetMessageClass(lister.output_type)
        return {
            f"Get{name}": Unary(self.get),
            lister.name: Unary(partial(self.list, page)),
            f"Create{name}": Unary(self.create, self.reread),
            f"Update{name}": Unary(self.update, self.reread),
            f"Delete{name}": Unary(self.delete, self.reread),
            f"Undelete{name}": Unary(self.undelete, self.reread),
        }

    async def get(self, call: Call, tx: Tx, request: GetRequest) -> Message:
        """The record, deleted or not."""
        names = self.plan.field_names(request.fields)
        return await get_record(call, tx, self.plan, request.id, names)

    async def reread(self, call: Call, tx: Tx, record_id: str) -> Message:
        """The record as a repeated call gets it."""
        return await get_record(call, tx, self.plan, record_id)

    async def list(
        self, page_type: type[Message], call: Call, tx: Tx, request: ListRequest
    ) -> Message:
        """One page of records."""
        page = await list_records(call, tx, self.plan, request, self.page_token_key)
        return page_type(**page_values(page, self.plan.plural))

    async def create(self, call: Call, tx: Tx, request: Message) -> Message:
        """Create one record; output-only fields are refused, references must exist."""
        message: Message = getattr(request, self.plan.singular)
        refuse_output_only(self.plan, message)
        row = column_values(message, self.plan.writable)
        row = self.new_row(call, row)
        hook = self.plan.resource.prepare_create
        if hook is not None:
            await hook(call, tx, row, message)
        await require_references(call, tx, self.plan, row, self.ask_owner)
        check_owner(call, self.plan, row, "CREATE")
        answer = await insert_record(call, tx, self.plan, row, "created")
        tx.discard_if(request.validate_only)  # type: ignore[attr-defined]  # every Create request has it
        return answer

    async def update(self, call: Call, tx: Tx, request: Message) -> Message:
        """Change the fields of the mask; a stale If-Match is Aborted, no difference no
        new version.
        """
        message: Message = getattr(request, self.plan.singular)
        names = masked_fields(self.plan, message, request.update_mask)  # type: ignore[attr-defined]  # every Update request has it
        before = await lock_record(call, tx, self.plan, message.id, "UPDATE")  # type: ignore[attr-defined]  # every resource has it
        check_match(call, before["version"])
        refuse_deleted(self.plan, before)
        row = column_values(message, [self.plan.fields[name] for name in names])
        hook = self.plan.resource.prepare_update
        if hook is not None:
            await hook(call, tx, dict(before), row, message)
        await require_references(call, tx, self.plan, row, self.ask_owner)
        self._check_new_owner(call, before, row)
        answer = await update_record(call, tx, self.plan, before, row, "updated")
        tx.discard_if(request.validate_only)  # type: ignore[attr-defined]  # as above
        return answer

    async def delete(self, call: Call, tx: Tx, request: DeleteRequest) -> Message:
        """Put a record into the recycle bin; living children are a FailedPrecondition
        naming them.
        """
        before = await lock_record(call, tx, self.plan, request.id, "DELETE")
        check_match(call, before["version"])
        if before["delete_time"] is not None:
            return self.plan.to_message(())(before)
        for child in self.plan.resource.children:
            await _refuse_child(call, tx, child, request.id)
        row: Row = {"delete_time": call.now}
        hook = self.plan.resource.prepare_delete
        if hook is not None:
            await hook(call, tx, dict(before))
        return await update_record(call, tx, self.plan, before, row, "deleted")

    async def undelete(self, call: Call, tx: Tx, request: UndeleteRequest) -> Message:
        """Take a record out of the recycle bin; a unique value taken since is AlreadyExists."""
        before = await lock_record(call, tx, self.plan, request.id, "DELETE")
        check_match(call, before["version"])
        return await update_record(call, tx, self.plan, before, {"delete_time": None}, "restored")

    def new_row(self, call: Call, values: Mapping[str, object]) -> Row:
        """A complete row of version 1 with what the engine sets; `values` win over owner and
        department.
        """
        row: Row = dict.fromkeys(self.plan.column_names)
        row |= {
            "tenant_id": call.tenant_id,
            "id": new_id(),
            "version": 1,
            "create_time": call.now,
            "update_time": call.now,
            "creator_id": call.principal.id,
            "updater_id": call.principal.id,
        }
        row |= values
        if self.plan.owned:
            owner = str(row["owner_id"] or call.user_id)
            member = call.access.members.get(owner)
            row["owner_id"] = owner
            row["department_id"] = (member.department_id or None) if member else None
            row["partner_company_id"] = call.principal.partner_company_id or None
        return row

    def _check_new_owner(self, call: Call, before: Mapping[str, object], row: Row) -> None:
        if "owner_id" in row and str(before["owner_id"]) != str(row["owner_id"]):
            call.reach(self.plan.plural, "ASSIGN")
            if row["owner_id"] is None:
                row["owner_id"] = call.user_id


def collection(resource: Resource, page_token_key: bytes, ask_owner: AskOwner) -> Collection:
    """Check the declaration and make the collection; a wrong one raises ValueError."""
    return Collection(make_plan(resource), page_token_key, ask_owner)


def refuse_output_only(plan: Plan, message: Message) -> None:
    """InvalidArgument when a field is set that only the engine sets."""
    names = [one.name for one, _ in message.ListFields() if _read_only(plan, one)]
    if names:
        raise invalid_fields([(name, "This field is output only.") for name in names])


def masked_fields(plan: Plan, message: Message, mask: FieldMask) -> list[str]:
    """The fields to change: those of the mask, else those set; unknown or read-only ones are
    refused.
    """
    paths = list(mask.paths) or [one.name for one, _ in message.ListFields() if one.name != "id"]
    names = list(dict.fromkeys(path.split(".")[0] for path in paths))
    if names == ["*"]:
        return [one.name for one in plan.writable if not one.immutable]
    errors = [(name, text) for name in names if (text := _refusal(plan, name))]
    if errors:
        raise invalid_fields(errors)
    return [name for name in names if name in plan.fields]


def check_match(call: Call, version: int) -> None:
    """Aborted when the caller's If-Match names another version."""
    if call.if_match not in {"", "*", f'"{version}"'}:
        raise Aborted(
            "ETAG_MISMATCH",
            "Somebody else has changed the record since you read it.",
            metadata={"current_etag": f'"{version}"'},
        )


def refuse_deleted(plan: Plan, row: Mapping[str, object]) -> None:
    """FailedPrecondition for a record in the recycle bin."""
    if row["delete_time"] is not None:
        raise FailedPrecondition(
            "RECORD_DELETED",
            f"The {plan.singular} is in the recycle bin; restore it first.",
            metadata={"resource": plan.singular, "id": str(row["id"])},
        )


def check_owner(call: Call, plan: Plan, row: Mapping[str, object], verb: str) -> None:
    """PermissionDenied when the new record would be outside what the verb reaches."""
    if not plan.owned:
        return
    reach = call.reach(plan.plural, verb)
    owner, department = str(row["owner_id"] or ""), str(row["department_id"] or "")
    if not reach.covers(owner, department, str(row["partner_company_id"] or "")):
        raise PermissionDenied("OWNER_NOT_IN_SCOPE", "You may not create records for this owner.")


def _read_only(plan: Plan, descriptor: FieldDescriptor) -> bool:
    one: Field | None = plan.fields.get(descriptor.name)
    return descriptor.name == "etag" or (one is not None and one.output_only)


def _refusal(plan: Plan, name: str) -> str:
    descriptor = plan.descriptor.fields_by_name.get(name)
    if descriptor is None:
        return "There is no such field."
    if _read_only(plan, descriptor):
        return "This field is output only."
    one = plan.fields.get(name)
    return "This field cannot be changed." if one is not None and one.immutable else ""


async def _refuse_child(call: Call, tx: Tx, child: Child, record_id: str) -> None:
    run = _child_statement(child.table, child.field)
    row = await tx.fetch_row(run, {"tenant_id": call.tenant_id, "id": record_id})
    if row is not None:
        raise FailedPrecondition(
            "RECORD_HAS_CHILDREN",
            f"The record still has {child.table.name} records, for example {row['id']}.",
            metadata={"resource": child.table.name, "id": str(row["id"])},
        )


def _child_statement(table: Table, field: str) -> Statement:
    return statement(
        select(table.c.id)
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c[field] == bindparam("id"),
            table.c.delete_time.is_(None),
        )
        .limit(literal_column("1"))
    )
