"""The standard methods of every resource: plain functions that read top to bottom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.access.people import require_known
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.custom_fields.model import CUSTOM, NOTHING
from chassis.custom_fields.record import set_changed, set_new
from chassis.db.pool import Record, Tx
from chassis.ids import new_id
from chassis.number_series import Errors, NumberSeries
from chassis.resource.batch import Batches
from chassis.resource.checks import (
    check_assign,
    check_match,
    check_place,
    masked_fields,
    refuse_deleted,
    refuse_set,
)
from chassis.resource.children import delete_children, refuse_children, undelete_children
from chassis.resource.listing import list_records, page_values
from chassis.resource.plan import Plan, make_plan
from chassis.resource.read import get_record, lock_record
from chassis.resource.references import AskOwner, require_references
from chassis.resource.resource import NUMBER, Resource, Row
from chassis.resource.rows import column_values
from chassis.resource.view import view_of
from chassis.resource.write import insert_record, update_record
from chassis.rpc.methods import Unary
from crm.type.v1.requests_pb2 import DeleteRequest, GetRequest, ListRequest, UndeleteRequest


@dataclass(frozen=True, eq=False)
class Collection:
    """A resource at work: its plan and what the methods need from outside; `siblings` are all
    collections of the service by the name of their table.
    """

    plan: Plan
    page_token_key: bytes
    ask_owner: AskOwner
    siblings: "dict[str, Collection]" = field(default_factory=dict)
    numbers: NumberSeries | None = None

    def plan_of(self, plural: str) -> Plan | None:
        """The plan of another collection of the service; None when there is none."""
        plans = (one.plan for one in self.siblings.values())
        return next((plan for plan in plans if plan.plural == plural), None)

    def methods(self) -> dict[str, Unary]:
        """The standard methods by rpc name; a dict merge replaces or adds any."""
        name, descriptor = self.plan.resource.message.__name__, self.plan.descriptor
        service = descriptor.file.services_by_name[f"{name}Service"]
        lister = next(method for method in service.methods if method.name.startswith("List"))
        plural = lister.name.removeprefix("List")
        page = GetMessageClass(lister.output_type)
        batch = GetMessageClass(service.methods_by_name[f"BatchGet{plural}"].output_type)
        return {
            f"Get{name}": Unary(self.get),
            lister.name: Unary(partial(self.list, page)),
            f"Create{name}": Unary(self.create, self.reread),
            f"Update{name}": Unary(self.update, self.reread),
            f"Delete{name}": Unary(self.delete, self.reread),
            f"Undelete{name}": Unary(self.undelete, self.reread),
        } | Batches(self, batch).methods(plural)

    async def get(self, call: Call, tx: Tx, request: GetRequest) -> Message:
        """The record, deleted or not."""
        names = view_of(call, self.plan).names(request.fields)
        return await get_record(call, tx, self.plan, request.id, names)

    async def reread(self, call: Call, tx: Tx, record_ids: Sequence[str]) -> Message:
        """The record as a repeated call gets it."""
        return await get_record(call, tx, self.plan, record_ids[0])

    async def list(
        self, page_type: type[Message], call: Call, tx: Tx, request: ListRequest
    ) -> Message:
        """One page of records."""
        page = await list_records(call, tx, self.plan, request, self.page_token_key)
        return page_type(**page_values(page, self.plan.plural))

    async def create(self, call: Call, tx: Tx, request: Message) -> Message:
        """Create one record; output-only fields are refused, references must exist."""
        row = await self.prepared(call, tx, getattr(request, self.plan.singular))
        await require_references(call, tx, self, row)
        tx.discard_if(request.validate_only)  # type: ignore[attr-defined]  # every Create request has it
        await self.numbered(call, tx, [row])
        return await insert_record(call, tx, self.plan, row, "created")

    async def update(self, call: Call, tx: Tx, request: Message) -> Message:
        """Change the fields of the mask; a stale If-Match is Aborted, no difference no
        new version.
        """
        message: Message = getattr(request, self.plan.singular)
        before = await lock_record(call, tx, self.plan, message.id, "UPDATE")  # type: ignore[attr-defined]  # every resource has it
        check_match(call.if_match, before["version"])
        row = await self.changed(call, tx, before, request)
        await require_references(call, tx, self, row, before)
        tx.discard_if(request.validate_only)  # type: ignore[attr-defined]  # as above
        return await update_record(call, tx, self.plan, before, row, "updated")

    async def delete(self, call: Call, tx: Tx, request: DeleteRequest) -> Message:
        """Put a record into the recycle bin; living children are a FailedPrecondition
        naming them, unless they are forced to go along.
        """
        before = await lock_record(call, tx, self.plan, request.id, "DELETE")
        check_match(call.if_match, before["version"])
        return await self.discard(call, tx, before, force=request.force)

    async def undelete(self, call: Call, tx: Tx, request: UndeleteRequest) -> Message:
        """Take a record out of the recycle bin, and what was forced into it along with it; a unique
        value taken since is AlreadyExists.
        """
        before = await lock_record(call, tx, self.plan, request.id, "DELETE")
        check_match(call.if_match, before["version"])
        return await self.restore(call, tx, before)

    async def prepared(self, call: Call, tx: Tx, message: Message) -> Row:
        """The row of a new record, its references to other services still to be checked."""
        refuse_set(call, self.plan, message)
        row = self.new_row(call, column_values(message, self.plan.writable))
        set_new(call, self.plan, row, message)
        hook = self.plan.resource.prepare_create
        await view_of(call, self.plan).run_hook(hook, call, tx, row, message)
        check_place(call, tx, self.plan, row, "CREATE")
        return row

    async def changed(self, call: Call, tx: Tx, before: Record, request: Message) -> Row:
        """The columns that an Update request changes in a locked row; references as above."""
        message: Message = getattr(request, self.plan.singular)
        names = masked_fields(call, self.plan, message, request.update_mask)  # type: ignore[attr-defined]  # every Update request has it
        refuse_deleted(self.plan, before)
        row = column_values(message, [self.plan.fields[name] for name in names])
        set_changed(call, self.plan, row, message, before)
        hook = self.plan.resource.prepare_update
        await view_of(call, self.plan).run_hook(hook, call, tx, dict(before), row, message)
        set_owner(call, self.plan, before, row)
        if self.plan.parent in row:
            check_place(call, tx, self.plan, {**before, **row}, "UPDATE")
        if self.numbers and before[NUMBER] is None:  # written by a version without numbers
            row[NUMBER] = None
            await self.numbered(call, tx, [row])
        return row

    async def numbered(self, call: Call, tx: Tx, rows: Sequence[Row]) -> Errors:
        """Give numbers to the new rows that have none; field errors by position for numbers that
        an import brings.
        """
        return await self.numbers.give(tx, call.tenant_id, rows) if self.numbers else {}

    async def discard(self, call: Call, tx: Tx, before: Record, *, force: bool) -> Message:
        """Put a locked row into the recycle bin until the tenant's retention is over."""
        if before["delete_time"] is not None:
            return await get_record(call, tx, self.plan, str(before["id"]))
        if not force:
            await refuse_children(call, tx, self, str(before["id"]))
        hook = self.plan.resource.prepare_delete
        await view_of(call, self.plan).run_hook(hook, call, tx, dict(before))
        kept = timedelta(days=call.access.retention_days)
        row: Row = {"delete_time": call.now, "purge_time": call.now + kept}
        answer = await update_record(call, tx, self.plan, before, row, "deleted")
        if force:
            await delete_children(call, tx, self, str(before["id"]))
        return answer

    async def restore(self, call: Call, tx: Tx, before: Record) -> Message:
        """Take a locked row out of the recycle bin, by the rules of an update."""
        row: Row = {"delete_time": None, "purge_time": None}
        hook, given = self.plan.resource.prepare_update, (dict(before), row)
        message = self.plan.resource.message()
        await view_of(call, self.plan).run_hook(hook, call, tx, *given, message)
        answer = await update_record(call, tx, self.plan, before, row, "restored")
        await undelete_children(call, tx, self, before)
        return answer

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
            CUSTOM: NOTHING,
            "tags": [],
        }
        row |= values
        if self.plan.owned:
            row |= owned_by(call, row["owner_id"])
        if self.plan.of:
            if row["resource"] not in {None, "", self.plan.of}:
                raise invalid_fields([("resource", "It is given by the request.")])
            row["resource"] = self.plan.of
        return row


def collection(
    resource: Resource,
    page_token_key: bytes,
    ask_owner: AskOwner,
    siblings: dict[str, Collection],
    service: str,
    numbers: NumberSeries | None = None,
) -> Collection:
    """Check the declaration and make the collection; a wrong one raises ValueError."""
    return Collection(make_plan(resource, service), page_token_key, ask_owner, siblings, numbers)


def set_owner(call: Call, plan: Plan, before: Record, row: Row) -> None:
    """Complete a change of the owner, which is a verb of its own; nobody is no owner."""
    if "owner_id" in row and str(before["owner_id"]) != str(row["owner_id"]):
        if row["owner_id"] is None:
            raise invalid_fields([("owner_id", "An owner is only replaced by another one.")])
        check_assign(call, plan, before)
        row |= owned_by(call, row["owner_id"])


def owned_by(call: Call, owner_id: object) -> Row:
    """The columns of a record that is given to an owner (None: the caller): his department and
    partner company of this moment.
    """
    owner = str(owner_id or call.user_id)
    require_known(call, [owner])
    if not owner_id and call.principal.kind == "client" and owner == call.principal.id:
        raise invalid_fields([("owner_id", "It must be given: no user stands behind the client.")])
    member = call.access.members.get(owner)
    return {
        "owner_id": owner,
        "department_id": (member.department_id or None) if member else None,
        "partner_company_id": call.access.company_of(owner) or None,
    }
