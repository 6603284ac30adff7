"""JSON Schemas of messages (OpenAPI 3.1), with the limits that stand in the protos."""

from collections.abc import Mapping
from typing import cast

from google.api.field_behavior_pb2 import INPUT_ONLY, OUTPUT_ONLY, REQUIRED
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from buf.validate import validate_pb2
from chassis.codec import fields
from chassis.codec.fields import Kind

Schema = dict[str, object]
PROBLEM_RESPONSES: Schema = {
    "4XX": {"$ref": "#/components/responses/Problem"},
    "5XX": {"$ref": "#/components/responses/Problem"},
}
UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "additionalProperties": True,
    },
}
_PLAIN: Mapping[Kind, Schema] = {
    Kind.STRING: {"type": "string"},
    Kind.BOOL: {"type": "boolean"},
    Kind.FLOAT: {"type": "number", "format": "double"},
    Kind.BYTES: {"type": "string", "contentEncoding": "base64"},
}
_NUMBERS = {"int32", "int64", "uint32", "uint64", "float", "double"}


class Schemas:
    """The component schemas that a document needs, made as they are referred to."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = comments
        self._full_names: dict[str, str] = {}
        self.components: dict[str, Schema] = {}

    def reference(self, message: Descriptor) -> Schema:
        """A schema that refers to the message's component."""
        known = _WELL_KNOWN.get(message.full_name)
        if known is not None:
            return dict(known)
        name = self._name(message)
        if name not in self.components:
            self.components[name] = {}  # so that a message may contain itself
            self.components[name].update(self._object(message))
        return {"$ref": f"#/components/schemas/{name}"}

    def changes(self, message: Descriptor) -> Schema:
        """A schema for the body of a PATCH: what may be written, and nothing required."""
        name = f"{self._name(message)}Changes"
        if name not in self.components:
            self.components[name] = {
                "type": "object",
                "description": "Only the keys sent are changed; null clears a field.",
                "properties": {
                    field.name: self.field(field)
                    for field in message.fields
                    if not fields.output_only(field)
                },
            }
        return {"$ref": f"#/components/schemas/{name}"}

    def field(self, field: FieldDescriptor) -> Schema:
        """The schema of a field with its comment and limits."""
        rules = _rules(field)
        schema = self._shape(field, rules)
        if field.has_presence and not fields.is_map(field):
            schema = _nullable(schema)
        comment = self._comments.get(field.full_name)
        if comment:
            schema["description"] = comment
        behaviors = fields.behaviors(field)
        if OUTPUT_ONLY in behaviors:
            schema["readOnly"] = True
        if INPUT_ONLY in behaviors:
            schema["writeOnly"] = True
        return schema

    def _name(self, message: Descriptor) -> str:
        name = message.full_name.removeprefix(f"{message.file.package}.").replace(".", "_")
        if self._full_names.setdefault(name, message.full_name) != message.full_name:
            raise ValueError(f"two messages are called {name}")
        return name

    def _object(self, message: Descriptor) -> Schema:
        schema: Schema = {"type": "object"}
        comment = self._comments.get(message.full_name)
        if comment:
            schema["description"] = comment
        schema["properties"] = {field.name: self.field(field) for field in message.fields}
        required = [field.name for field in message.fields if REQUIRED in fields.behaviors(field)]
        if required:
            schema["required"] = required
        return schema

    def _shape(self, field: FieldDescriptor, rules: validate_pb2.FieldRules) -> Schema:
        if fields.is_map(field):
            _, value = fields.map_entry(field)
            schema: Schema = {"type": "object", "additionalProperties": self._value(value)}
            if rules.map.HasField("max_pairs"):
                schema["maxProperties"] = rules.map.max_pairs
            return schema
        if not field.is_repeated:
            return _limited(self._value(field), rules)
        items = _limited(self._value(field), rules.repeated.items)
        schema = {"type": "array", "items": items}
        if rules.repeated.HasField("max_items"):
            schema["maxItems"] = rules.repeated.max_items
        if rules.repeated.HasField("min_items"):
            schema["minItems"] = rules.repeated.min_items
        return schema

    def _value(self, field: FieldDescriptor) -> Schema:
        kind = fields.kind(field)
        if kind is Kind.MESSAGE:
            return self.reference(fields.message_of(field))
        if kind is Kind.ENUM:
            return self._enum(fields.enum_of(field))
        if kind is Kind.INT:
            wide = "64" in _type_name(field)
            return {"type": "integer", "format": "int64" if wide else "int32"}
        return dict(_PLAIN[kind])

    def _enum(self, enum: EnumDescriptor) -> Schema:
        names = [value.name for value in enum.values]
        comments = {name: self._comments.get(f"{enum.full_name}.{name}", "") for name in names}
        return {"type": "string", "enum": names, "x-enum-descriptions": comments}


def _type_name(field: FieldDescriptor) -> str:
    wide = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
    return "int64" if field.cpp_type in wide else "int32"


def _nullable(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def _limited(schema: Schema, rules: validate_pb2.FieldRules) -> Schema:
    """The schema with the limits of a rule that stands at its field."""
    kind = rules.WhichOneof("type")
    if kind == "string":
        optional = rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE
        schema.update(_string_limits(rules.string, optional))
    elif kind in _NUMBERS:
        numbers = getattr(rules, kind)
        if numbers.HasField("gte"):
            schema["minimum"] = numbers.gte
        if numbers.HasField("lte"):
            schema["maximum"] = numbers.lte
    return schema


def _string_limits(rules: validate_pb2.StringRules, optional: bool) -> Schema:
    """Limits of a string; an optional one may also be empty."""
    limits: Schema = {}
    pattern = rules.pattern or (f"^{UUID}$" if rules.uuid else "")
    if pattern:
        limits["pattern"] = f"^$|{pattern}" if optional else pattern
    if rules.uuid and not optional:
        limits["format"] = "uuid"
    if rules.HasField("min_len") and not optional:
        limits["minLength"] = rules.min_len
    if rules.HasField("max_len"):
        limits["maxLength"] = rules.max_len
    choices = list(getattr(rules, "in"))
    if choices:
        limits["enum"] = choices
    return limits


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    found = fields.extension(field.GetOptions(), validate_pb2.field)
    rules = cast("validate_pb2.FieldRules | None", found)  # extensions are untyped in the stubs
    return rules or validate_pb2.FieldRules()
