"""Limits of the protos (buf.validate annotations), compiled into checks per message type at start-
up.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2
from chassis.ids import is_id

Violations = list[tuple[str, str]]
Check = Callable[[Message], Violations]
ValueCheck = Callable[[object], str | None]
MASK = "update_mask"
_NUMBERS = ("int32", "int64", "uint32", "uint64", "float", "double")


def validator(message_type: type[Message]) -> Check:
    """A function from a message to its violations (field path, message); an unknown rule raises
    ValueError.
    """
    return _message_check(message_type.DESCRIPTOR)


def text_max(field: FieldDescriptor) -> int:
    """The most characters that a field may have; 0 where nothing is said."""
    options = field.GetOptions()
    if not options.HasExtension(validate_pb2.field):  # type: ignore[arg-type]  # the stubs know MessageOptions only
        return 0
    rules: validate_pb2.FieldRules = options.Extensions[validate_pb2.field]  # type: ignore[index]  # as above
    return rules.string.max_len


@cache
def _message_check(descriptor: Descriptor) -> Check:
    checks = [check for field in descriptor.fields for check in _field_checks(field)]

    def run(message: Message) -> Violations:
        return [violation for check in checks for violation in check(message)]

    return _masked(descriptor, run) if MASK in descriptor.fields_by_name else run


def _masked(descriptor: Descriptor, check: Check) -> Check:
    """An update is checked in the fields that its mask names, else in those that are
    set (AIP-134).
    """
    record = next(one.name for one in descriptor.fields if one.message_type and one.name != MASK)

    def run(message: Message) -> Violations:
        names = {path.split(".")[0] for path in getattr(message, MASK).paths}
        names |= {one.name for one, _ in getattr(message, record).ListFields()}
        changed = tuple(f"{record}.{name}" for name in names)
        return [
            (path, text)
            for path, text in check(message)
            if not path.startswith(f"{record}.") or _within(path, changed)
        ]

    return run


def _within(path: str, names: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith((f"{name}.", f"{name}[")) for name in names)


def _field_checks(field: FieldDescriptor) -> Iterator[Check]:
    inner = field.message_type
    if inner and inner.file.package.startswith("crm.") and not inner.GetOptions().map_entry:
        yield _nested(field)
    options = field.GetOptions()
    if options.HasExtension(validate_pb2.field):  # type: ignore[arg-type]  # the stubs know MessageOptions only
        yield from _rule_checks(field, options.Extensions[validate_pb2.field])  # type: ignore[index]  # as above


def _nested(field: FieldDescriptor) -> Check:
    name, repeated = field.name, field.is_repeated

    def run(message: Message) -> Violations:
        inner = _message_check(field.message_type)
        if repeated:
            items = enumerate(getattr(message, name))
            return [
                (f"{name}[{at}].{path}", text) for at, item in items for path, text in inner(item)
            ]
        if not message.HasField(name):
            return []
        return [(f"{name}.{path}", text) for path, text in inner(getattr(message, name))]

    return run


def _rule_checks(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> Iterator[Check]:
    name = field.name
    if rules.required:
        yield _required(field)
    kind = rules.WhichOneof("type")
    if kind is None:
        return
    if kind == "repeated":
        yield from _repeated(field, rules.repeated)
        return
    if kind == "map":
        yield _map(field, rules.map)
        return
    check = _value_check(kind, rules)
    zero_allowed = rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE

    def run(message: Message) -> Violations:
        if field.has_presence and not message.HasField(name):
            return []
        value = getattr(message, name)
        if zero_allowed and not value:
            return []
        text = check(value)
        return [] if text is None else [(name, text)]

    yield run


def _required(field: FieldDescriptor) -> Check:
    name = field.name

    def run(message: Message) -> Violations:
        there = message.HasField(name) if field.has_presence else bool(getattr(message, name))
        return [] if there else [(name, "This field is required.")]

    return run


def _repeated(field: FieldDescriptor, rules: validate_pb2.RepeatedRules) -> Iterator[Check]:
    name = field.name
    most = rules.max_items if rules.HasField("max_items") else None
    least = rules.min_items if rules.HasField("min_items") else 0
    kind = rules.items.WhichOneof("type")
    item_check = _value_check(kind, rules.items) if kind else None

    def run(message: Message) -> Violations:
        items = getattr(message, name)
        if most is not None and len(items) > most:
            return [(name, f"At most {most} entries.")]
        if len(items) < least:
            return [(name, f"At least {least} entries.")]
        if rules.unique and len(set(items)) < len(items):
            return [(name, "No entry may come twice.")]
        found: Violations = []
        for at, item in enumerate(items if item_check else ()):
            text = item_check(item) if item_check else None
            if text:
                found.append((f"{name}[{at}]", text))
        return found

    yield run


def _map(field: FieldDescriptor, rules: validate_pb2.MapRules) -> Check:
    name, most = field.name, rules.max_pairs

    def run(message: Message) -> Violations:
        return [(name, f"At most {most} entries.")] if len(getattr(message, name)) > most else []

    return run


def _value_check(kind: str, rules: validate_pb2.FieldRules) -> ValueCheck:
    if kind == "string":
        return _all(list(_string_checks(rules.string)))
    if kind in _NUMBERS:
        return _number_check(getattr(rules, kind))
    raise ValueError(f"validation rules of kind {kind} are not supported")


def _all(checks: list[ValueCheck]) -> ValueCheck:
    def run(value: object) -> str | None:
        return next((text for check in checks if (text := check(value))), None)

    return run


def _string_checks(rules: validate_pb2.StringRules) -> Iterator[ValueCheck]:
    known = {"min_len", "max_len", "pattern", "uuid", "in"}
    odd = {field.name for field, _ in rules.ListFields()} - known
    if odd:
        raise ValueError(f"string rules {odd} are not supported")
    if rules.HasField("min_len"):
        least = rules.min_len
        yield lambda value: None if len(str(value)) >= least else _at_least(least)
    if rules.HasField("max_len"):
        most = rules.max_len
        yield lambda value: None if len(str(value)) <= most else f"At most {most} characters."
    if rules.HasField("pattern"):
        pattern = re.compile(rules.pattern)
        text = f"It must match {rules.pattern}."
        yield lambda value: None if pattern.fullmatch(str(value)) else text
    if rules.uuid:
        yield lambda value: None if is_id(str(value)) else "It must be a UUID."
    choices = tuple(getattr(rules, "in"))
    if choices:
        shown = ", ".join(choice for choice in choices if choice)
        yield lambda value: None if value in choices else f"It must be one of: {shown}."


def _at_least(count: int) -> str:
    return "This field is required." if count == 1 else f"At least {count} characters."


def _number_check(
    rules: validate_pb2.Int32Rules | validate_pb2.Int64Rules,
) -> ValueCheck:
    low, high = rules.gte, rules.lte
    if {field.name for field, _ in rules.ListFields()} - {"gte", "lte"}:
        raise ValueError("number rules other than gte and lte are not supported")

    def run(value: object) -> str | None:
        number = int(str(value))
        return None if low <= number <= high else f"It must be from {low} to {high}."

    return run
