"""Protobuf messages to JSON-able dicts, by Python source generated once per message type.

Every declared field is always there: null for an unset message or `optional` field, the zero value
for a plain one. INPUT_ONLY fields never come out.
"""

import keyword
from collections.abc import Callable
from math import isfinite
from typing import cast

from google.protobuf import descriptor_pool, message_factory, struct_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from chassis.codec import fields, wellknown
from chassis.codec.fields import Kind

Encode = Callable[[Message], dict[str, object]]
WRAPPED = frozenset({"Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue", "Any"})


class _Names(dict[int, str]):
    """Enum numbers to names; a number that this version does not know stays a number."""

    def __missing__(self, number: int) -> int:
        return number


def encoder(message_type: type[Message]) -> Encode:
    """The function that turns messages of this type into dicts; prepare it at start-up."""
    return _encode_function(fields.descriptor_of(message_type))


def _encode_function(message: Descriptor) -> Encode:
    name = fields.function_name(message)
    if name not in _namespace:
        _generate(message)
    return cast("Encode", _namespace[name])  # exec put it there


def _generate(message: Descriptor) -> None:
    """Compile the functions of a message and of all that it contains into the shared namespace."""
    name = fields.function_name(message)
    if name in _namespace:
        return
    if message.file.package == "google.protobuf" and message.full_name != "google.protobuf.Empty":
        raise TypeError(f"no JSON form is defined for {message.full_name}")
    _namespace[name] = None  # so that a message that contains itself is generated once
    items = [
        f"        {field.name!r}: {_field_source(field)},\n"
        for field in message.fields
        if not fields.input_only(field)
    ]
    source = f"def {name}(m):\n    has = m.HasField\n    return {{\n{''.join(items)}    }}\n"
    code = compile(source, f"<encoder of {message.full_name}>", "exec")
    exec(code, _namespace)  # noqa: S102 -- the source is made from our own descriptors only


def _field_source(field: FieldDescriptor) -> str:
    read = f"getattr(m, {field.name!r})" if keyword.iskeyword(field.name) else f"m.{field.name}"
    if fields.is_map(field):
        key, value = fields.map_entry(field)
        keys = {Kind.STRING: "k", Kind.BOOL: "str(k).lower()"}.get(fields.kind(key), "str(k)")
        return f"{{{keys}: {_value_source(value, 'v')} for k, v in {read}.items()}}"
    if field.is_repeated:
        one = _value_source(field, "v")
        return f"list({read})" if one == "v" else f"[{one} for v in {read}]"
    if field.has_presence:
        return f"{_value_source(field, read)} if has({field.name!r}) else None"
    return _value_source(field, read)


def _value_source(field: FieldDescriptor, read: str) -> str:
    kind = fields.kind(field)
    if kind is Kind.MESSAGE:
        return f"{_message_name(fields.message_of(field))}({read})"
    if kind is Kind.ENUM:
        return f"{_enum_name(fields.enum_of(field))}[{read}]"
    if kind is Kind.BYTES:
        return f"base64_text({read})"
    return f"finite({read})" if kind is Kind.FLOAT else read


def _message_name(message: Descriptor) -> str:
    name = fields.function_name(message)
    _generate(message)
    return name


def _enum_name(enum: EnumDescriptor) -> str:
    name = "enum_" + enum.full_name.replace("_", "__").replace(".", "_")
    _namespace.setdefault(name, _Names({value.number: value.name for value in enum.values}))
    return name


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None


def _any_object(packed: AnyMessage) -> dict[str, object] | None:
    """The packed message with "@type" first; one of an unknown type keeps its bytes as base64."""
    if not packed.type_url:
        return None
    result: dict[str, object] = {"@type": packed.type_url}
    try:
        full_name = packed.type_url.rpartition("/")[2]
        message = descriptor_pool.Default().FindMessageTypeByName(full_name)
        content = message_factory.GetMessageClass(message).FromString(packed.value)
    except (KeyError, DecodeError):
        return {**result, "value": wellknown.base64_text(packed.value)}
    inner = _encode_function(message)(content)
    if message.file.package == "google.protobuf" and message.name in WRAPPED:
        return {**result, "value": inner}
    return {**result, **inner}


def _struct_object(struct: struct_pb2.Struct) -> dict[str, object]:
    return {key: _plain_value(value) for key, value in struct.fields.items()}


def _list_values(values: struct_pb2.ListValue) -> list[object]:
    return [_plain_value(value) for value in values.values]


def _plain_value(value: struct_pb2.Value) -> object:
    which = value.WhichOneof("kind")
    if which == "struct_value":
        return _struct_object(value.struct_value)
    if which == "list_value":
        return _list_values(value.list_value)
    if which == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < 2**53 else _finite(number)
    return None if which in {None, "null_value"} else getattr(value, which)


# The functions by message, and what their source calls.
_namespace: dict[str, object] = {
    "google_protobuf_Timestamp": wellknown.timestamp_text,
    "google_protobuf_Duration": wellknown.duration_text,
    "google_protobuf_FieldMask": wellknown.mask_text,
    "google_protobuf_Any": _any_object,
    "google_protobuf_Struct": _struct_object,
    "google_protobuf_ListValue": _list_values,
    "google_protobuf_Value": _plain_value,
    "base64_text": wellknown.base64_text,
    "finite": _finite,
}
