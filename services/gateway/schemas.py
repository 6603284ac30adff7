"""JSON Schemas of messages (OpenAPI 3.1): of what answers hold, and of what bodies may hold.

An answer may lack any field (`fields`, hidden ones) and get new ones; a body is taken exactly as it
is described, with the limits that stand in the protos.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from google.api.field_behavior_pb2 import IMMUTABLE, OUTPUT_ONLY
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from chassis.codec import fields
from chassis.codec.fields import Kind
from services.gateway.limits import UUID, Schema, limited, limited_list, may_be_left_out, rules_of
from services.gateway.mask import KEYS

MASK = "update_mask"
_PATH = r"[a-z][a-z0-9_]*(\.[A-Za-z0-9_]+)*"
_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {
        "type": "string",
        "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$",
    },
    "google.protobuf.FieldMask": {"type": "string", "pattern": f"^$|^{_PATH}(,{_PATH})*$"},
    "google.protobuf.Struct": {
        "type": "object",
        "additionalProperties": {"$ref": "#/components/schemas/Value"},
    },
    "google.protobuf.Value": {"$ref": "#/components/schemas/Value"},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "additionalProperties": True,
    },
}
# Any JSON whose numbers a double holds exactly.
VALUE: Schema = {
    "type": ["null", "boolean", "string", "number", "array", "object"],
    "minimum": -(2**53),
    "maximum": 2**53,
    "items": {"$ref": "#/components/schemas/Value"},
    "additionalProperties": {"$ref": "#/components/schemas/Value"},
}
TEXT: Schema = {"type": "string"}
_PLAIN: Mapping[Kind, Schema] = {
    Kind.STRING: TEXT,
    Kind.BOOL: {"type": "boolean"},
    Kind.FLOAT: {"type": "number", "format": "double"},
    Kind.BYTES: {"type": "string", "contentEncoding": "base64"},
}
_WIDE = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
Refer = Callable[[Descriptor], Schema]


class Schemas:
    """The component schemas that a document needs, made as they are referred to."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = comments
        self._full_names: dict[str, str] = {}
        self.components: dict[str, Schema] = {"Value": VALUE}

    def answer(self, message: Descriptor) -> Schema:
        """A schema that refers to the message as answers have it."""
        return self._component(message, "", self._answer_object)

    def body(self, message: Descriptor) -> Schema:
        """A schema that refers to the message as bodies have it, whole."""
        suffix = "" if message.name.endswith("Request") else "Input"
        return self._component(message, suffix, self.body_object)

    def changes(self, message: Descriptor) -> Schema:
        """A schema for the body of a PATCH: what may be changed, and nothing required."""
        return self._component(message, "Changes", self._changed_object)

    def body_object(self, message: Descriptor, without: Collection[str] = ()) -> Schema:
        """The object itself, without the fields that come from elsewhere."""
        sent = [
            field
            for field in message.fields
            if field.name not in without and not fields.output_only(field)
        ]
        refer = self._changes_of_one if MASK in message.fields_by_name else self.body
        schema = self._closed(message, sent, refer)
        required = [field.name for field in sent if not may_be_left_out(field)]
        if required:
            schema["required"] = required
        several = [field for field in sent if _one_of_several(field)]
        if several:
            schema["oneOf"] = [_alternative(one, several) for one in several]
        return schema

    def json_body_of(self, message: Descriptor) -> Schema:
        """A request body that is this message as JSON."""
        required = bool(self.body_object(message).keys() & {"required", "oneOf"})
        return json_body(self.body(message), required=required)

    def parameter(self, field: FieldDescriptor) -> Schema:
        """The schema of a field in a path or a query, with its limits and without its comment."""
        return self._shape(field, self.body)

    def comment(self, full_name: str) -> str:
        """What the proto says of a message or a field."""
        return self._comments.get(full_name, "")

    def _component(
        self, message: Descriptor, suffix: str, make: Callable[[Descriptor], Schema]
    ) -> Schema:
        known = _WELL_KNOWN.get(message.full_name)
        if known is not None:
            return dict(known)
        name = message.full_name.removeprefix(f"{message.file.package}.").replace(".", "_") + suffix
        if self._full_names.setdefault(name, message.full_name) != message.full_name:
            raise ValueError(f"two messages are called {name}")
        if name not in self.components:
            self.components[name] = {}  # so that a message may contain itself
            self.components[name].update(make(message))
        return {"$ref": f"#/components/schemas/{name}"}

    def _answer_object(self, message: Descriptor) -> Schema:
        shown = [field for field in message.fields if not fields.input_only(field)]
        properties = {field.name: self._answered(field) for field in shown}
        return {"type": "object", **self._told(message.full_name), "properties": properties}

    def _changed_object(self, message: Descriptor) -> Schema:
        fixed = {OUTPUT_ONLY, IMMUTABLE}
        sent = [field for field in message.fields if not fixed & set(fields.behaviors(field))]
        schema = self._closed(message, sent, self.body)
        return {**schema, "description": "Only the keys sent are changed; null clears a field."}

    def _changes_of_one(self, message: Descriptor) -> Schema:
        """The changes of one record among several: it says which one it is."""
        return self._component(message, "KeyedChanges", self._keyed_object)

    def _keyed_object(self, message: Descriptor) -> Schema:
        schema = self._changed_object(message)
        properties = schema["properties"]
        assert isinstance(properties, dict)
        keys = {name: message.fields_by_name[name] for name in sorted(KEYS)}
        told = {name: {**TEXT, **self._told(one.full_name)} for name, one in keys.items()}
        told["id"] |= {"format": "uuid", "pattern": f"^{UUID}$"}
        told["etag"] = _nullable(told["etag"])
        return {**schema, "properties": {**told, **properties}, "required": ["id"]}

    def _closed(self, message: Descriptor, sent: Iterable[FieldDescriptor], refer: Refer) -> Schema:
        return {
            "type": "object",
            **self._told(message.full_name),
            "properties": {field.name: self._sent(field, refer) for field in sent},
            "additionalProperties": False,
        }

    def _answered(self, field: FieldDescriptor) -> Schema:
        """A field of an answer: there are no limits in it that clients could rely on."""
        if field.is_repeated and not fields.is_map(field):
            schema: Schema = {"type": "array", "items": self._value(field, self.answer)}
        elif fields.is_map(field):
            _, value = fields.map_entry(field)
            schema = {"type": "object", "additionalProperties": self._value(value, self.answer)}
        else:
            schema = self._value(field, self.answer)
            if field.has_presence:
                schema = _nullable(schema)
        if fields.output_only(field):
            schema["readOnly"] = True
        return {**schema, **self._told(field.full_name)}

    def _sent(self, field: FieldDescriptor, refer: Refer) -> Schema:
        """A field of a body; null says the same as to leave it out."""
        schema = self._shape(field, refer)
        if may_be_left_out(field):
            schema = _nullable(schema)
        if fields.input_only(field):
            schema["writeOnly"] = True
        return {**schema, **self._told(field.full_name)}

    def _shape(self, field: FieldDescriptor, refer: Refer) -> Schema:
        rules = rules_of(field)
        if fields.is_map(field):
            _, value = fields.map_entry(field)
            schema: Schema = {"type": "object", "additionalProperties": self._value(value, refer)}
            if rules.map.HasField("max_pairs"):
                schema["maxProperties"] = rules.map.max_pairs
            return schema
        one = self._value(field, refer)
        if fields.kind(field) is Kind.ENUM and rules.required:
            one = {**one, "enum": [value.name for value in fields.enum_of(field).values[1:]]}
        if fields.kind(field) is Kind.INT:
            low, high = fields.INT_RANGES[field.cpp_type]
            one = {**one, "minimum": low, "maximum": high}
        return limited_list(one, rules.repeated) if field.is_repeated else limited(one, rules)

    def _value(self, field: FieldDescriptor, refer: Refer) -> Schema:
        kind = fields.kind(field)
        if kind is Kind.MESSAGE:
            return refer(fields.message_of(field))
        if kind is Kind.ENUM:
            return self._enum(fields.enum_of(field))
        if kind is Kind.INT:
            return {"type": "integer", "format": "int64" if field.cpp_type in _WIDE else "int32"}
        return dict(_PLAIN[kind])

    def _enum(self, enum: EnumDescriptor) -> Schema:
        names = [value.name for value in enum.values]
        comments = {name: self.comment(f"{enum.full_name}.{name}") for name in names}
        return {"type": "string", "enum": names, "x-enum-descriptions": comments}

    def _told(self, full_name: str) -> Schema:
        comment = self.comment(full_name)
        return {"description": comment} if comment else {}


def json_body(schema: Schema, *, required: bool = False) -> Schema:
    """A request body of JSON; one that is not sent is an empty object."""
    required = required or "required" in schema or "oneOf" in schema
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def _one_of_several(field: FieldDescriptor) -> bool:
    """Whether the field is in a oneof of which exactly one is given."""
    group = field.containing_oneof
    return group is not None and len(group.fields) > 1


def _alternative(one: FieldDescriptor, several: list[FieldDescriptor]) -> Schema:
    """One field of a oneof is given, the others are not."""
    given = {"type": "object" if one.message_type else "string"}
    places = {field.name: given if field is one else {"type": "null"} for field in several}
    return {"required": [one.name], "properties": places}


def _nullable(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    choices = schema.get("enum")
    also = {"enum": [*choices, None]} if isinstance(choices, list) else {}
    return {**schema, "type": [schema["type"], "null"], **also}
