"""What is checked before a record is written, for one record as for many."""

from collections.abc import Mapping

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.access.scope import covers_row
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.errors import Aborted, FailedPrecondition, PermissionDenied
from chassis.resource.plan import Plan
from chassis.resource.view import View, view_of


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
    refused.
    """
    sent = [one.name for one, _ in message.ListFields() if one.name not in {"id", "etag"}]
    names = list(dict.fromkeys(path.split(".")[0] for path in mask.paths or sent))
    view = view_of(call, plan)
    if set(mask.paths) == {"*"}:
        return [one.name for one in plan.writable if not (one.immutable or view.refusal(one.name))]
    errors = [(name, text) for name in names if (text := view.refusal(name) or _fixed(plan, name))]
    if errors:
        raise invalid_fields(errors)
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


def check_owner(call: Call, plan: Plan, row: Mapping[str, object], verb: str) -> None:
    """PermissionDenied when the new record would be outside what the verb reaches."""
    if not plan.owned:
        return
    if not covers_row(plan.scope, call.reach(plan.plural, verb), row, call.access):
        raise PermissionDenied("OWNER_NOT_IN_SCOPE", "You may not create records for this owner.")


def _fixed(plan: Plan, name: str) -> str:
    one = plan.fields.get(name)
    return "This field cannot be changed." if one is not None and one.immutable else ""
