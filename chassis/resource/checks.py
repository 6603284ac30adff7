"""What is checked before a record is written, for one record as for many."""

from collections.abc import Mapping

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.access.scope import covers_row
from chassis.call import Call, denied
from chassis.codec import invalid_fields
from chassis.db.pool import Record, Tx
from chassis.errors import Aborted, FailedPrecondition, PermissionDenied
from chassis.resource.plan import Plan, reach_shape
from chassis.resource.read import read_found
from chassis.resource.resource import Row
from chassis.resource.view import View, view_of


class OwnerNotInScope(PermissionDenied):
    """The record would be where the caller's right to do this to it does not reach."""

    def __init__(self) -> None:
        super().__init__("OWNER_NOT_IN_SCOPE", "You may not create records for this owner.")


def refuse_set(call: Call, plan: Plan, message: Message) -> None:
    """InvalidArgument when a field of a new record is set that the caller may not set."""
    view = view_of(call, plan)
    names = [one.name for one, _ in message.ListFields()]
    errors = [(name, text) for name in names if (text := view.refusal(name))]
    if errors:
        raise invalid_fields(errors)


def refuse_denied(view: View, request: Message, fields: Mapping[str, str]) -> None:
    """InvalidArgument for what the caller's roles do not let him set, by a method of its own
    neither; `fields` are those that the request calls otherwise.
    """
    names = [one.name for one, _ in request.ListFields()]
    errors = [(name, text) for name in names if (text := view.rule(fields.get(name, name)))]
    if errors:
        raise invalid_fields(errors)


def masked_fields(call: Call, plan: Plan, message: Message, mask: FieldMask) -> list[str]:
    """The fields to change: those of the mask, else those set; unknown or read-only ones are
    refused. What else the message holds is taken out of it, as if it had not been sent.
    """
    sent = [one.name for one, _ in message.ListFields() if one.name not in {"id", "etag"}]
    names = list(dict.fromkeys(path.split(".")[0] for path in mask.paths or sent))
    view = view_of(call, plan)
    if set(mask.paths) == {"*"}:
        return [one.name for one in plan.writable if not (one.immutable or view.refusal(one.name))]
    errors = [(name, text) for name in names if (text := view.refusal(name) or _fixed(plan, name))]
    if errors:
        raise invalid_fields(errors)
    for name in set(sent) - set(names):
        message.ClearField(name)
    return [name for name in names if name in plan.fields]


def check_match(etag: str, version: int) -> None:
    """Aborted when the caller's entity tag names another version."""
    if etag not in {"", "*", f'"{version}"'}:
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


def check_place(call: Call, tx: Tx, plan: Plan, row: Row, verb: str) -> None:
    """PermissionDenied when the row, as it will be, is outside what the verb reaches; where that
    goes by the row above, it is asked once the row is written.
    """
    reach = plan.reach(call, verb)
    if plan.scope.link is not None and any(reach_shape(plan, reach)):
        tx.after(_require_reached, call, plan, str(row["id"]), verb)
    elif plan.owned and not covers_row(plan.scope, reach, row, call.access):
        raise OwnerNotInScope


async def _require_reached(call: Call, tx: Tx, plan: Plan, record_id: str, verb: str) -> None:
    if not await read_found(call, tx, plan, [record_id], ("id",), verb):
        raise OwnerNotInScope


def check_assign(call: Call, plan: Plan, before: Record) -> None:
    """PermissionDenied for who may not give the record away, though he may change it."""
    if not covers_row(plan.scope, plan.reach(call, "ASSIGN"), before, call.access):
        raise denied(plan.plural, "ASSIGN")


def _fixed(plan: Plan, name: str) -> str:
    one = plan.fields.get(name)
    return "This field cannot be changed." if one is not None and one.immutable else ""
