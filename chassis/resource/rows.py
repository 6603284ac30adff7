"""Rows to messages and back: the mapping module of the engine, prepared per resource at
start-up.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any  # the reason stands where it is used

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct

from chassis.codec import decoder, encoder, invalid_fields
from chassis.custom_fields.model import NOTHING, OwnFields
from chassis.dates import civil_date
from chassis.money import currencies, rounded
from chassis.resource.fields import Field, Form, enum_names
from chassis.resource.resource import Row
from crm.type.v1.money_pb2 import Money

# From a row and the own fields that are to be seen.
ToMessage = Callable[[Mapping[str, Any], OwnFields], Message]  # Any: a row, as Record says
Convert = Callable[[Any], object]  # Any: the form says what it is
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_VALUES = Struct()


def message_reader(message: type[Message], fields: Iterable[Field]) -> ToMessage:
    """A function from a row (its columns by name, and `version`) to a message with these fields."""
    chosen = list(fields)
    custom = [field.name for field in chosen if field.form is Form.CUSTOM]
    moneys = [(field.name, *field.columns) for field in chosen if field.form is Form.MONEY]
    readers = [
        (field.name, field.columns[0], _converter(field))
        for field in chosen
        if field.form not in {Form.MONEY, Form.CUSTOM}
    ]

    def run(row: Mapping[str, Any], own: OwnFields) -> Message:  # Any: as above
        values: Row = {"etag": f'"{row["version"]}"'} if "version" in row else {}
        for name, column, convert in readers:
            value = row[column]
            if value is not None:
                values[name] = value if convert is None else convert(value)
        for name, amount, currency in moneys:
            value = row[amount]
            if value is not None:
                values[name] = {"currency_code": row[currency], "amount": format(value, "f")}
        for name in custom:
            values[name] = NO_VALUES if row[name] == NOTHING else own.shown(row[name])
        return message(**values)

    return run


def _converter(field: Field) -> Convert | None:
    """From a column that is not NULL to what the message takes; None where it takes it as it is."""
    if field.form is not Form.MESSAGES:
        return _CONVERTERS.get(field.form)
    inner = field.descriptor.message_type
    if inner is None:
        raise TypeError(f"{field.descriptor.full_name} holds no messages")
    decode = decoder(GetMessageClass(inner))
    return lambda value: [decode(item) for item in _parsed(value)]


def _timestamp(moment: datetime) -> dict[str, int]:
    """A Timestamp's parts: a third of the time that protobuf takes for a datetime."""
    since = moment - EPOCH
    return {"seconds": since.days * 86400 + since.seconds, "nanos": since.microseconds * 1000}


def _parsed(value: Any) -> list[object]:  # Any: text as the driver gives it, or a list made here
    items: list[object] = orjson.loads(value) if isinstance(value, str) else value
    return items


_CONVERTERS: Mapping[Form, Convert] = {
    Form.UUID: str,
    Form.DATE: lambda value: value.isoformat(),
    Form.TIMESTAMP: _timestamp,
    Form.UUIDS: lambda value: [str(item) for item in value],
}


def column_values(message: Message, fields: Iterable[Field]) -> Row:
    """The column values of a message's fields, as the driver wants them; bad ones raise
    InvalidArgument. A tenant's own fields are not among them.
    """
    values: Row = {}
    for field in fields:
        if field.form is not Form.CUSTOM:
            _write(message, field, values)
    return values


def _write(message: Message, field: Field, values: Row) -> None:
    value = getattr(message, field.name)
    if field.form is Form.MONEY:
        values.update(money_values(field, value if message.HasField(field.name) else None))
    elif field.nullable and field.descriptor.has_presence and not message.HasField(field.name):
        values[field.name] = None
    else:
        values[field.name] = _WRITERS[field.form](field, value)


Writer = Callable[[Field, Any], object]  # Any: the form says what it is
_WRITERS: Mapping[Form, Writer] = {
    Form.TEXT: lambda _field, value: value or None,
    Form.UUID: lambda _field, value: value or None,
    Form.NUMBER: lambda _field, value: value,
    Form.BOOLEAN: lambda _field, value: value,
    Form.DATE: lambda field, value: date_of(field.name, value),
    Form.TIMESTAMP: lambda _field, value: value.ToDatetime(UTC),
    Form.ENUM: lambda field, value: _enum_name(field.descriptor, value),
    Form.UUIDS: lambda _field, value: list(value),
    Form.TEXTS: lambda _field, value: list(value),
    Form.MESSAGES: lambda _field, value: _json([encoder(type(item))(item) for item in value]),
}


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def date_of(name: str, text: str) -> date | None:
    """The date of a field; None when empty."""
    try:
        return civil_date(text) if text else None
    except ValueError:
        raise invalid_fields([(name, "It must be a date, YYYY-MM-DD.")]) from None


def _enum_name(descriptor: FieldDescriptor, number: int) -> str:
    """Name of an enum value; unset means the first one, as the protos say."""
    names = enum_names(descriptor)
    if not 0 <= number < len(names):
        raise invalid_fields([(descriptor.name, "There is no such value.")])
    return names[number or 1]


def money_values(field: Field, money: Money | None) -> Row:
    """Both columns of a money field, rounded half even at the currency's exponent (ISO 4217)."""
    amount, currency = field.columns
    if money is None:
        return {amount: None, currency: None}
    code = money.currency_code
    if code not in currencies():
        raise invalid_fields([(f"{field.name}.currency_code", "There is no such currency.")])
    return {amount: rounded(Decimal(money.amount), code), currency: code}


def money_sum(amount: Decimal, code: str) -> Money:
    """A sum at the currency's exponent (ISO 4217), rounded half even."""
    return Money(currency_code=code, amount=format(rounded(amount, code), "f"))
