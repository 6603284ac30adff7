"""Rows to messages and back: the mapping module of the engine, prepared per resource at
start-up.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any  # the reason stands where it is used

import orjson
from babel.core import get_global
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.codec import decoder, encoder, invalid_fields
from chassis.resource.fields import Field, Form, enum_names
from chassis.resource.resource import Row
from crm.type.v1.money_pb2 import Money

Reader = Callable[[Mapping[str, object]], object]
ToMessage = Callable[[Mapping[str, object]], Message]


def message_reader(message: type[Message], fields: Iterable[Field]) -> ToMessage:
    """A function from a row (its columns by name, and `version`) to a message with these fields."""
    readers = [(field.name, _reader(field)) for field in fields]

    def run(row: Mapping[str, object]) -> Message:
        return message(etag=f'"{row["version"]}"', **{name: read(row) for name, read in readers})

    return run


def _reader(field: Field) -> Reader:  # one case per form is the table itself
    name = field.columns[0]
    match field.form:
        case Form.TEXT:
            return lambda row: row[name] or ""
        case Form.NUMBER | Form.BOOLEAN | Form.TIMESTAMP | Form.TEXTS:
            return lambda row: row[name]
        case Form.UUID:
            return lambda row: "" if row[name] is None else str(row[name])
        case Form.DATE:
            return lambda row: _iso(row[name])
        case Form.ENUM:
            return lambda row: row[name] or 0
        case Form.MONEY:
            return _money_reader(*field.columns)
        case Form.UUIDS:
            return lambda row: [str(value) for value in _items(row[name])]
        case Form.MESSAGES:
            decode = decoder(_item_class(field.descriptor))
            return lambda row: [decode(item) for item in _items(_parsed(row[name]))]


def _item_class(descriptor: FieldDescriptor) -> type[Message]:
    inner = descriptor.message_type
    if inner is None:
        raise TypeError(f"{descriptor.full_name} holds no messages")
    return GetMessageClass(inner)


def _iso(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else ""


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else ()


def _parsed(value: object) -> object:
    return orjson.loads(value) if isinstance(value, str) else value


def _money_reader(amount: str, currency: str) -> Reader:
    def run(row: Mapping[str, object]) -> Money | None:
        value = row[amount]
        if value is None:
            return None
        return Money(currency_code=str(row[currency]), amount=format(value, "f"))

    return run


def column_values(message: Message, fields: Iterable[Field]) -> Row:
    """The column values of a message's fields, as the driver wants them; bad ones raise
    InvalidArgument.
    """
    values: Row = {}
    for field in fields:
        _write(message, field, values)
    return values


def _write(message: Message, field: Field, values: Row) -> None:
    value = getattr(message, field.name)
    if field.form is Form.MONEY:
        values.update(money_values(field, value if message.HasField(field.name) else None))
    elif field.descriptor.has_presence and not message.HasField(field.name):
        values[field.name] = None
    else:
        values[field.name] = _WRITERS[field.form](field, value)


Writer = Callable[[Field, Any], object]  # Any: the form says what it is
_WRITERS: Mapping[Form, Writer] = {
    Form.TEXT: lambda _field, value: value or None,
    Form.UUID: lambda _field, value: value or None,
    Form.NUMBER: lambda _field, value: value,
    Form.BOOLEAN: lambda _field, value: value,
    Form.DATE: lambda field, value: civil_date(field.name, value),
    Form.TIMESTAMP: lambda _field, value: value.ToDatetime(UTC),
    Form.ENUM: lambda field, value: _enum_name(field.descriptor, value),
    Form.UUIDS: lambda _field, value: list(value),
    Form.TEXTS: lambda _field, value: list(value),
    Form.MESSAGES: lambda _field, value: _json([encoder(type(item))(item) for item in value]),
}


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def civil_date(name: str, text: str) -> date | None:
    """A civil date from its ISO form (ISO 8601, YYYY-MM-DD); None when empty."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
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
    if code not in _currencies():
        raise invalid_fields([(f"{field.name}.currency_code", "There is no such currency.")])
    step = Decimal(1).scaleb(-_exponent(code))
    return {
        amount: Decimal(money.amount).quantize(step, rounding=ROUND_HALF_EVEN),
        currency: code,
    }


def money_sum(amount: Decimal, code: str) -> Money:
    """A sum at the currency's exponent (ISO 4217), rounded half even."""
    step = Decimal(1).scaleb(-_exponent(code))
    text = format(amount.quantize(step, rounding=ROUND_HALF_EVEN), "f")
    return Money(currency_code=code, amount=text)


@cache
def _currencies() -> frozenset[str]:
    return frozenset(get_global("all_currencies"))


@cache
def _exponent(code: str) -> int:
    fractions = get_global("currency_fractions")
    return int(fractions.get(code, fractions["DEFAULT"])[0])
