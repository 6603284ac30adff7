"""What the converters need to know of a field, read from its descriptor and its options."""

import string
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Protocol, cast

from google.api.field_behavior_pb2 import INPUT_ONLY, OUTPUT_ONLY, REQUIRED, field_behavior
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

INT_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
FLOAT_CPP_TYPES = {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}


class Kind(Enum):
    """How a single value of a field is converted."""

    BOOL = auto()
    INT = auto()
    FLOAT = auto()
    STRING = auto()
    BYTES = auto()
    ENUM = auto()
    MESSAGE = auto()


def kind(field: FieldDescriptor) -> Kind:
    """The kind of one value of the field."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return Kind.BYTES
    if field.cpp_type in INT_RANGES:
        return Kind.INT
    if field.cpp_type in FLOAT_CPP_TYPES:
        return Kind.FLOAT
    return {
        FieldDescriptor.CPPTYPE_BOOL: Kind.BOOL,
        FieldDescriptor.CPPTYPE_STRING: Kind.STRING,
        FieldDescriptor.CPPTYPE_ENUM: Kind.ENUM,
        FieldDescriptor.CPPTYPE_MESSAGE: Kind.MESSAGE,
    }[field.cpp_type]


def descriptor_of(message_type: type[Message]) -> Descriptor:
    """The descriptor of a message type."""
    return cast("Descriptor", message_type.DESCRIPTOR)  # a union in the stubs


def message_of(field: FieldDescriptor) -> Descriptor:
    """The message type of a message field; TypeError for another field."""
    if field.message_type is None:
        raise TypeError(f"{field.full_name} is no message field")
    return field.message_type


def enum_of(field: FieldDescriptor) -> EnumDescriptor:
    """The enum of an enum field; TypeError for another field."""
    if field.enum_type is None:
        raise TypeError(f"{field.full_name} is no enum field")
    return field.enum_type


def map_entry(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """The key and the value of a map field."""
    entry = message_of(field).fields_by_name
    return entry["key"], entry["value"]


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map<,>."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def input_only(field: FieldDescriptor) -> bool:
    """Whether the field is never shown, like a password."""
    return INPUT_ONLY in behaviors(field)


def required(field: FieldDescriptor) -> bool:
    """Whether callers must send the field."""
    return REQUIRED in behaviors(field)


def output_only(field: FieldDescriptor) -> bool:
    """Whether callers may not send the field."""
    return OUTPUT_ONLY in behaviors(field)


def behaviors(field: FieldDescriptor) -> Sequence[int]:
    """The field_behavior values of a field."""
    found = extension(field.GetOptions(), field_behavior)
    return cast("Sequence[int]", found or ())  # extensions are untyped in the stubs


def extension(options: Message, extension: FieldDescriptor) -> object:
    """The value of an extension of descriptor options; None when it is not set."""
    extended = cast("_Extended", options)  # the stubs type extensions per kind of options
    if not extension.is_repeated and not extended.HasExtension(extension):
        return None
    return extended.Extensions[extension]


class _Extended(Protocol):
    @property
    def Extensions(self) -> Mapping[FieldDescriptor, object]: ...  # noqa: N802 -- protobuf's name

    def HasExtension(self, extension: FieldDescriptor, /) -> bool: ...  # noqa: N802 -- as above


def function_name(message: Descriptor) -> str:
    """A Python identifier that no other message has."""
    allowed = string.ascii_letters + string.digits
    return "".join(c if c in allowed else "_" for c in message.full_name.replace("_", "__"))
