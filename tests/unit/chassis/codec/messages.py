"""Hypothesis strategies that make any message of the contracts from its descriptor."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any  # the reason stands where it is used

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

from chassis.codec import fields
from chassis.codec.fields import Kind
from crm.chassis.v1.operation_pb2 import OperationResult

CONTRACTS = Path(__file__).resolve().parents[4] / "crm" / "contracts.binpb"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
MICROS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
PLAIN: dict[Kind, st.SearchStrategy[object]] = {
    Kind.BOOL: st.booleans(),
    Kind.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    Kind.STRING: TEXT,
    Kind.BYTES: st.binary(max_size=8),
}


def message_types() -> Iterator[type[Message]]:
    """Every message that our own protos declare, nested ones included."""
    for file in FileDescriptorSet.FromString(CONTRACTS.read_bytes()).file:
        if file.name.startswith("crm/"):
            module = import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
            for descriptor in module.DESCRIPTOR.message_types_by_name.values():
                yield from _with_nested(descriptor)


def _with_nested(descriptor: Descriptor) -> Iterator[type[Message]]:
    if not descriptor.GetOptions().map_entry:
        yield GetMessageClass(descriptor)
        for nested in descriptor.nested_types:
            yield from _with_nested(nested)


def timestamp_of(micros: int) -> Timestamp:
    """The time so many microseconds after 1970."""
    return Timestamp(seconds=micros // 10**6, nanos=micros % 10**6 * 1000)


def messages(descriptor: Descriptor, depth: int = 0) -> st.SearchStrategy[Message]:
    """Messages of one type, down to three levels; INPUT_ONLY fields stay unset."""
    if descriptor.full_name == "google.protobuf.Timestamp":
        return MICROS.map(timestamp_of)
    if descriptor.full_name == "google.protobuf.FieldMask":
        paths = st.lists(st.sampled_from(["name", "amount.amount", "custom_fields.tier"]))
        return paths.map(lambda names: FieldMask(paths=names))
    if descriptor.full_name == "google.protobuf.Struct":
        scalars = st.one_of(st.none(), st.booleans(), TEXT, st.integers(-(2**40), 2**40))
        nested = st.one_of(scalars, st.lists(scalars, max_size=3))
        return st.dictionaries(TEXT, nested, max_size=3).map(_struct)
    if descriptor.full_name == "google.protobuf.Value":
        # JSON's null is a field that is not set.
        return st.one_of(st.booleans(), TEXT, st.integers(-(2**40), 2**40)).map(_one_value)
    if descriptor.full_name == "google.protobuf.Any":
        return st.integers(0, 9).map(_packed)
    optional = {
        field.name: _values(field, depth)
        for field in descriptor.fields
        if not fields.input_only(field) and not (depth >= 3 and field.message_type is not None)
    }
    groups = [[field.name for field in group.fields] for group in descriptor.oneofs]
    build = GetMessageClass(descriptor)

    def make(values: dict[str, object]) -> Message:
        for group in groups:
            for name in [name for name in group if name in values][1:]:
                del values[name]
        return build(**values)

    return st.fixed_dictionaries({}, optional=optional).map(make)


def _struct(values: dict[str, Any]) -> Struct:  # Any: as the stubs of Struct have it
    struct = Struct()
    struct.update(values)
    return struct


def _one_value(value: object) -> Value:
    return _struct({"value": value}).fields["value"]


def _packed(created: int) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(OperationResult(created=created))
    return packed


def _values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[object]:
    if fields.is_map(field):
        key, value = fields.map_entry(field)
        return st.dictionaries(_value(key, depth), _value(value, depth), max_size=3)
    one = _value(field, depth)
    return st.lists(one, max_size=3) if field.is_repeated else one


def _value(field: FieldDescriptor, depth: int) -> st.SearchStrategy[object]:
    kind = fields.kind(field)
    if kind is Kind.MESSAGE:
        return messages(fields.message_of(field), depth + 1)
    if kind is Kind.ENUM:
        return st.sampled_from([value.number for value in fields.enum_of(field).values])
    if kind is Kind.INT:
        return st.integers(*fields.INT_RANGES[field.cpp_type])
    return PLAIN[kind]
