"""What proto and table together say about the fields of a resource."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from sqlalchemy import ColumnElement, Table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Date, Uuid

from chassis.filter.fields import FieldKind

MONEY = "crm.type.v1.Money"
STRUCT = "google.protobuf.Struct"
TIMESTAMP = "google.protobuf.Timestamp"
# Made by the engine itself, whatever the proto says.
DERIVED = frozenset({"etag"})


class Form(StrEnum):
    """How a field's value is held in row and message."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    UUID = "uuid"
    DATE = "date"
    TIMESTAMP = "timestamp"
    ENUM = "enum"
    MONEY = "money"
    UUIDS = "uuids"
    TEXTS = "texts"
    MESSAGES = "messages"
    CUSTOM = "custom"


_KINDS = {
    Form.TEXT: FieldKind.TEXT,
    Form.NUMBER: FieldKind.INTEGER,
    Form.BOOLEAN: FieldKind.BOOLEAN,
    Form.UUID: FieldKind.UUID,
    Form.DATE: FieldKind.DATE,
    Form.TIMESTAMP: FieldKind.TIMESTAMP,
    Form.ENUM: FieldKind.ENUM,
    Form.MONEY: FieldKind.MONEY,
    Form.TEXTS: FieldKind.TEXT_LIST,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One stored field of a resource; a money field has two columns."""

    name: str
    form: Form
    columns: tuple[str, ...]
    descriptor: FieldDescriptor
    behaviors: frozenset[int]
    nullable: bool

    @property
    def output_only(self) -> bool:
        """Whether callers may not set it."""
        return field_behavior_pb2.OUTPUT_ONLY in self.behaviors

    @property
    def required(self) -> bool:
        """Whether a new record needs it."""
        return field_behavior_pb2.REQUIRED in self.behaviors

    @property
    def immutable(self) -> bool:
        """Whether it may be set on create only."""
        return field_behavior_pb2.IMMUTABLE in self.behaviors

    @property
    def kind(self) -> FieldKind | None:
        """How filters see it; None when they cannot."""
        return _KINDS.get(self.form)

    @property
    def choices(self) -> tuple[str, ...]:
        """Names of an enum field."""
        if self.form is not Form.ENUM:
            return ()
        return enum_names(self.descriptor)[1:]


def resource_fields(message: Descriptor, table: Table) -> Mapping[str, Field]:
    """The stored fields by name; a field without a fitting column raises ValueError.

    INPUT_ONLY fields have no column: the declaration's hooks take care of them.
    """
    found: dict[str, Field] = {}
    for descriptor in message.fields:
        behaviors = _behaviors(descriptor)
        if descriptor.name in DERIVED or field_behavior_pb2.INPUT_ONLY in behaviors:
            continue
        columns = _columns(descriptor, table)
        found[descriptor.name] = Field(
            name=descriptor.name,
            form=_form(descriptor, table),
            columns=columns,
            descriptor=descriptor,
            behaviors=behaviors,
            nullable=bool(table.c[columns[0]].nullable),
        )
    return found


def enum_names(descriptor: FieldDescriptor) -> tuple[str, ...]:
    """Names of the values of an enum field by number; the first one means unset."""
    enum = descriptor.enum_type
    return tuple(value.name for value in enum.values) if enum else ()


def column_of(table: Table, field: Field) -> ColumnElement[object]:
    """The column that a field is filtered and ordered by."""
    return table.c[field.columns[0]]


def _behaviors(descriptor: FieldDescriptor) -> frozenset[int]:
    extension = field_behavior_pb2.field_behavior
    return frozenset(descriptor.GetOptions().Extensions[extension])  # type: ignore[index]  # the stubs know messages in general


def _columns(descriptor: FieldDescriptor, table: Table) -> tuple[str, ...]:
    names: tuple[str, ...] = (descriptor.name,)
    if descriptor.message_type and descriptor.message_type.full_name == MONEY:
        names = (descriptor.name, f"{descriptor.name}_currency")
    missing = [name for name in names if name not in table.c]
    if missing:
        raise ValueError(f"table {table.name} has no column {', '.join(missing)}")
    return names


def _form(descriptor: FieldDescriptor, table: Table) -> Form:
    column = table.c[descriptor.name].type
    inner = descriptor.message_type.full_name if descriptor.message_type else ""
    form = _repeated_form(column, inner) if descriptor.is_repeated else _MESSAGES.get(inner)
    if form is None and not descriptor.is_repeated and not inner:
        form = _SCALARS.get(descriptor.type)
    if form is Form.TEXT:
        form = next((one for kind, one in _TEXTS.items() if isinstance(column, kind)), form)
    if form is None:
        raise ValueError(f"{table.name}.{descriptor.name}: no form for {column}")
    return form


_MESSAGES = {MONEY: Form.MONEY, TIMESTAMP: Form.TIMESTAMP, STRUCT: Form.CUSTOM}
_TEXTS = {Uuid: Form.UUID, Date: Form.DATE}
_SCALARS = {
    FieldDescriptor.TYPE_BOOL: Form.BOOLEAN,
    FieldDescriptor.TYPE_INT32: Form.NUMBER,
    FieldDescriptor.TYPE_INT64: Form.NUMBER,
    FieldDescriptor.TYPE_ENUM: Form.ENUM,
    FieldDescriptor.TYPE_STRING: Form.TEXT,
}


def _repeated_form(column: object, inner: str) -> Form | None:
    if isinstance(column, ARRAY) and not inner:
        return Form.UUIDS if isinstance(column.item_type, Uuid) else Form.TEXTS
    return Form.MESSAGES if isinstance(column, JSONB) and inner else None
