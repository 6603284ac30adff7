"""The own fields of one record when it is written: checked, defaults filled in, merged."""

from collections.abc import Iterable, Mapping

import orjson
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from chassis.call import Call
from chassis.codec import encoder, invalid_fields
from chassis.custom_fields.model import CHOOSING, CUSTOM, NOTHING, Definition, stored_values
from chassis.custom_fields.values import BadValue, stored_value
from chassis.db.pool import Record
from chassis.resource.plan import Plan
from chassis.resource.resource import Row
from chassis.resource.view import View, view_of

STRUCT = encoder(Struct)
REQUIRED = "This field is required."
NO_RECORD_OF_LIST = "There is no such choice."


def set_new(call: Call, plan: Plan, row: Row, message: Message) -> None:
    """Complete the row of a new record with its own fields and the defaults of its pick-lists."""
    own = call.custom.of(plan.plural)
    sent = _sent(message)
    if sent or own.by_name:
        # Also those that the caller does not see.
        unsent = [one for one in own.by_name.values() if one.name not in sent]
        values = {one.id: value for one in unsent if (value := _default(one)) is not None}
        row[CUSTOM] = _merged(view_of(call, plan), sent, values, own.by_name)
    for name in plan.resource.choices:
        choices = own.lists.get(name, {}).values()
        if row.get(name) is None:
            row[name] = next((one.id for one in choices if one.is_default and one.open), None)
    check_lists(call, plan, row, {})


def set_changed(call: Call, plan: Plan, row: Row, message: Message, before: Record) -> None:
    """Complete the changes of a record with the own fields that are sent; null clears one."""
    sent = _sent(message)
    if sent:
        values = stored_values(before[CUSTOM])
        row[CUSTOM] = _merged(view_of(call, plan), sent, values, sent)
    check_lists(call, plan, row, before)


def _sent(message: Message) -> dict[str, object]:
    if CUSTOM not in message.DESCRIPTOR.fields_by_name or not message.HasField(CUSTOM):
        return {}
    return STRUCT(getattr(message, CUSTOM))


def _merged(
    view: View, sent: Mapping[str, object], values: dict[str, object], asked: Iterable[str]
) -> str:
    """The JSON column: `values` with what is sent; required ones of those asked are there."""
    problems: list[tuple[str, str]] = []
    for name, value in sent.items():
        one = view.own.by_name.get(name)
        refusal = view.own_refusal(name)
        if one is None or refusal:
            problems.append((f"{CUSTOM}.{name}", refusal))
            continue
        try:
            _set(values, one, value)
        except BadValue as error:
            problems.append((one.path, str(error)))
    bad = {path for path, _ in problems}
    problems += [
        (one.path, REQUIRED)
        for one in (view.own.by_name[name] for name in asked if name in view.own.by_name)
        if one.required and one.id not in values and one.path not in bad
        if not (one.retired or view.own_refusal(one.name))
    ]
    if problems:
        raise invalid_fields(problems)
    return orjson.dumps(values).decode() if values else NOTHING


def _set(values: dict[str, object], one: Definition, value: object) -> None:
    before = values.get(one.id)
    stored = None if value is None else stored_value(one, value, before)
    if one.retired and stored != before:
        raise BadValue("This field is not to be used any more.")
    if stored is None:
        values.pop(one.id, None)
    else:
        values[one.id] = stored


def _default(one: Definition) -> object:
    if one.retired:
        return None
    if one.kind not in CHOOSING:
        return one.default
    chosen = next((c.id for c in one.choices.values() if c.is_default and c.open), None)
    return [chosen] if chosen and one.kind == "MULTI_CHOICE" else chosen


def check_lists(call: Call, plan: Plan, row: Row, before: Record) -> None:
    """Pick-list fields hold choices of their list; a retired one may stay, never come."""
    own = call.custom.of(plan.plural)
    problems = []
    for name in plan.resource.choices:
        value = str(row.get(name) or "")
        if not value or value == str(before.get(name)):
            continue
        chosen = own.lists.get(name, {}).get(value)
        if chosen is None or chosen.deleted:
            problems.append((name, NO_RECORD_OF_LIST))
        elif chosen.retired:
            problems.append((name, "This choice is not to be used any more."))
    if problems:
        raise invalid_fields(problems)
