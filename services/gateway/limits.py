"""Limits of the protos as JSON Schema says them, and which fields a body may leave out."""

import re
from typing import cast

from google.protobuf.descriptor import FieldDescriptor

from buf.validate import validate_pb2
from chassis.codec import fields
from chassis.codec.fields import Kind

Schema = dict[str, object]
UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_NUMBERS = ("int32", "int64", "uint32", "uint64", "float", "double")


def rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """The rules that stand at a field."""
    found = fields.extension(field.GetOptions(), validate_pb2.field)
    rules = cast("validate_pb2.FieldRules | None", found)  # extensions are untyped in the stubs
    return rules or validate_pb2.FieldRules()


def may_be_left_out(field: FieldDescriptor) -> bool:
    """Whether a body may leave the field out or have null there, which is the same: its rules take
    what it is then.
    """
    rules = rules_of(field)
    if fields.required(field) or rules.required:
        return False
    if field.is_repeated:
        return not rules.repeated.min_items
    if field.has_presence or rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
        return True
    if fields.kind(field) is Kind.STRING:
        return _takes_empty(rules.string)
    numbers = _number_rules(rules)
    return numbers is None or numbers.gte <= 0 <= numbers.lte


def limited(schema: Schema, rules: validate_pb2.FieldRules) -> Schema:
    """The schema with the limits of a rule that stands at its field."""
    if rules.WhichOneof("type") == "string":
        optional = rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE
        return {**schema, **_string_limits(rules.string, optional)}
    numbers = _number_rules(rules)
    if numbers is None:
        return schema
    return {**schema, "minimum": numbers.gte, "maximum": numbers.lte}


def limited_list(items: Schema, rules: validate_pb2.RepeatedRules) -> Schema:
    """The schema of an array."""
    schema: Schema = {"type": "array", "items": limited(items, rules.items)}
    if rules.HasField("min_items"):
        schema["minItems"] = rules.min_items
    if rules.HasField("max_items"):
        schema["maxItems"] = rules.max_items
    if rules.unique:
        schema["uniqueItems"] = True
    return schema


def _number_rules(
    rules: validate_pb2.FieldRules,
) -> validate_pb2.Int32Rules | validate_pb2.Int64Rules | None:
    """The range of a number; the validators take both ends or none."""
    kind = rules.WhichOneof("type")
    if kind not in _NUMBERS:
        return None
    numbers: validate_pb2.Int32Rules | validate_pb2.Int64Rules = getattr(rules, kind)
    return numbers


def _takes_empty(rules: validate_pb2.StringRules) -> bool:
    choices = list(getattr(rules, "in"))
    if rules.min_len or rules.uuid or (choices and "" not in choices):
        return False
    return not rules.pattern or re.fullmatch(rules.pattern, "") is not None


def _string_limits(rules: validate_pb2.StringRules, optional: bool) -> Schema:
    """Limits of a string; an optional one may also be empty."""
    limits: Schema = {}
    pattern = rules.pattern or (f"^{UUID}$" if rules.uuid else "")
    if pattern:
        limits["pattern"] = f"^$|{pattern}" if optional else pattern
    if rules.uuid and not optional:
        limits["format"] = "uuid"
    if rules.HasField("min_len") and optional:
        limits["pattern"] = rf"^$|^[\s\S]{{{rules.min_len},}}$"
    elif rules.HasField("min_len"):
        limits["minLength"] = rules.min_len
    if rules.HasField("max_len"):
        limits["maxLength"] = rules.max_len
    choices = list(getattr(rules, "in"))
    if choices:
        limits["enum"] = choices
    return limits
