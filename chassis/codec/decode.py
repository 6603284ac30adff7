"""Parsed JSON to protobuf messages, refusing what the message does not declare, by field path."""

from collections.abc import Callable
from functools import cache
from typing import cast

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis.codec import fields, values
from chassis.codec.encode import WRAPPED
from chassis.codec.fields import Kind
from chassis.codec.refused import ERRORS_MAX, Problem, Refused, at, below, invalid_fields, refuse
from chassis.codec.values import Convert

Decode = Callable[[object], Message]

_SPECIAL: dict[str, Convert] = {
    "google.protobuf.Timestamp": values.timestamp,
    "google.protobuf.Duration": values.duration,
    "google.protobuf.FieldMask": values.mask,
    "google.protobuf.Struct": values.struct,
    "google.protobuf.ListValue": values.array,
    "google.protobuf.Value": values.anything,
}
_PLAIN: dict[Kind, Convert] = {
    Kind.STRING: values.text,
    Kind.BOOL: values.boolean,
    Kind.FLOAT: values.number,
    Kind.BYTES: values.base64,
}


def decoder(message_type: type[Message], *, allow_output_only: bool = False) -> Decode:
    """The function that turns parsed JSON into a message of this type; prepare it at start-up.

    It raises InvalidArgument INVALID_FIELDS with (path, message) pairs. null means unset. With
    `allow_output_only` it also takes what only the system writes, as events carry it.
    """
    descriptor = fields.descriptor_of(message_type)
    convert = _converter(descriptor, allow_output_only)

    def decode(data: object) -> Message:
        try:
            return cast("Message", convert(data))  # what the converter of a message makes
        except Refused as refused:
            raise invalid_fields(refused.problems) from None

    return decode


@cache
def _converter(message: Descriptor, output: bool) -> Convert:
    special = _SPECIAL.get(message.full_name)
    if special is not None:
        return special
    if message.full_name == "google.protobuf.Any":
        return lambda value: _any_message(value, output)
    if message.file.package == "google.protobuf" and message.full_name != "google.protobuf.Empty":
        raise TypeError(f"no JSON form is defined for {message.full_name}")
    return _message_converter(message, output)


def _message_converter(message: Descriptor, output: bool) -> Convert:
    build = message_factory.GetMessageClass(message)
    groups = _exclusive(message)
    table: dict[str, Convert] = {}

    def convert(value: object) -> Message:
        if not table:  # filled on first use, so that messages may contain themselves
            table.update({field.name: _field_converter(field, output) for field in message.fields})
        if type(value) is not dict:
            raise refuse("must be an object")
        arguments: dict[str, object] = {}
        problems: list[Problem] = []
        for key, item in value.items():
            try:
                one = table.get(key, _unknown)
                if item is not None or one is _read_only or one is _unknown:
                    arguments[key] = one(item)
            except Refused as refused:
                problems += below(key, refused)
        if groups:
            problems += _conflicts(groups, arguments)
        if problems:
            raise Refused(*problems)
        return build(**arguments)

    return convert


def _exclusive(message: Descriptor) -> list[frozenset[str]]:
    """The names of each oneof; the one that an `optional` field makes has one only."""
    names = [frozenset(field.name for field in group.fields) for group in message.oneofs]
    return [group for group in names if len(group) > 1]


def _conflicts(groups: list[frozenset[str]], arguments: dict[str, object]) -> list[Problem]:
    return [
        ("", f"only one of {', '.join(sorted(group))} may be given")
        for group in groups
        if len(group & arguments.keys()) > 1
    ]


def _field_converter(field: FieldDescriptor, output: bool) -> Convert:
    if not output and fields.output_only(field):
        return _read_only
    if fields.is_map(field):
        key, item = fields.map_entry(field)
        return _map_converter(_key_converter(key), _required(_value_converter(item, output)))
    one = _value_converter(field, output)
    return _list_converter(_required(one)) if field.is_repeated else one


def _value_converter(field: FieldDescriptor, output: bool) -> Convert:
    kind = fields.kind(field)
    if kind is Kind.MESSAGE:
        return _converter(fields.message_of(field), output)
    if kind is Kind.ENUM:
        return values.named({value.name: value.number for value in fields.enum_of(field).values})
    if kind is Kind.INT:
        return values.integer(*fields.INT_RANGES[field.cpp_type])
    return _PLAIN[kind]


def _key_converter(field: FieldDescriptor) -> Convert:
    kind = fields.kind(field)
    if kind is Kind.STRING:
        return values.text
    if kind is Kind.BOOL:
        return values.named({"true": True, "false": False})
    return values.integer_key(*fields.INT_RANGES[field.cpp_type])


def _read_only(_: object) -> object:
    raise refuse("is read-only")


def _unknown(_: object) -> object:
    raise refuse("is unknown")


def _required(one: Convert) -> Convert:
    """The converter for places where null cannot mean unset: items of arrays and maps."""

    def convert(value: object) -> object:
        if value is None:
            raise refuse("must not be null")
        return one(value)

    return convert


def _list_converter(one: Convert) -> Convert:
    def convert(value: object) -> list[object]:
        if type(value) is not list:
            raise refuse("must be an array")
        problems: list[Problem] = []
        result = []
        for index, item in enumerate(value):
            try:
                result.append(one(item))
            except Refused as refused:
                problems += at(index, refused)
                if len(problems) >= ERRORS_MAX:
                    break
        if problems:
            raise Refused(*problems)
        return result

    return convert


def _map_converter(key_of: Convert, one: Convert) -> Convert:
    def convert(value: object) -> dict[object, object]:
        if type(value) is not dict:
            raise refuse("must be an object")
        problems: list[Problem] = []
        result = {}
        for key, item in value.items():
            try:
                result[key_of(key)] = one(item)
            except Refused as refused:
                problems += below(key, refused)
        if problems:
            raise Refused(*problems)
        return result

    return convert


def _any_message(value: object, output: bool) -> AnyMessage:
    if type(value) is not dict:
        raise refuse("must be an object")
    try:
        url = values.text(value.get("@type"))
        message = descriptor_pool.Default().FindMessageTypeByName(url.rpartition("/")[2])
    except (KeyError, Refused):
        raise Refused(("@type", "must name a known message type")) from None
    content = {key: item for key, item in value.items() if key != "@type"}
    wrapped = message.file.package == "google.protobuf" and message.name in WRAPPED
    if wrapped and content.keys() != {"value"}:
        raise Refused(("value", "must be given, and nothing else"))
    packed = AnyMessage()
    inner = _converter(message, output)(content["value"] if wrapped else content)
    packed.Pack(cast("Message", inner))  # what the converter of a message makes
    packed.type_url = url
    return packed
