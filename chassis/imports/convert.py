"""The text of a cell to the value of a field, by the field's form."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from google.protobuf.descriptor import FieldDescriptor

from chassis.codec.wellknown import timestamp
from chassis.custom_fields.values import BOOLEANS, BadValue, items
from chassis.dates import civil_date
from chassis.ids import is_id
from chassis.resource.fields import Field, Form

SHOWN_LENGTH_MAX = 100
MIDNIGHT = "T00:00:00Z"  # a date in a workbook's cell that is formatted as a date and time
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}\Z")
_BITS = {FieldDescriptor.TYPE_INT32: 31, FieldDescriptor.TYPE_INT64: 63}


def shown(text: str) -> str:
    """A cell as it may stand in a reason: short."""
    cut = text if len(text) <= SHOWN_LENGTH_MAX else text[:SHOWN_LENGTH_MAX] + "…"
    return f'"{cut}"'


def convert(field: Field, text: str) -> object:
    """The value for the message's constructor; BadValue when the text is none."""
    return _CONVERT[field.form](field, text)


def scaled(text: str, factor: str) -> str:
    """The number times the factor, exactly; a text that is no number stays, to be refused later."""
    if not text or not factor:
        return text
    try:
        product = Decimal(text) * Decimal(factor)
    except InvalidOperation:
        return text
    return format(product.normalize(), "f") if product.is_finite() else text


def _text(_field: Field, text: str) -> object:
    return text


def _number(field: Field, text: str) -> object:
    if not _INTEGER.match(text):
        raise BadValue(f"{shown(text)} is no whole number.")
    number, limit = int(text), 1 << _BITS[field.descriptor.type]
    if not -limit <= number < limit:
        raise BadValue(f"{shown(text)} is out of range.")
    return number


def _boolean(_field: Field, text: str) -> object:
    if text.lower() not in BOOLEANS:
        raise BadValue(f"{shown(text)} is neither true nor false.")
    return BOOLEANS[text.lower()]


def _date(_field: Field, text: str) -> object:
    try:
        return civil_date(text.removesuffix(MIDNIGHT)).isoformat()
    except ValueError:
        raise BadValue(f"{shown(text)} is no date; write YYYY-MM-DD.") from None


def _timestamp(_field: Field, text: str) -> object:
    try:
        return timestamp(text)
    except ValueError:
        raise BadValue(f"{shown(text)} is no time; write 2026-01-31T09:30:00Z.") from None


def _enum(field: Field, text: str) -> object:
    name = re.sub(r"[\s-]+", "_", text).upper()
    if name not in field.choices:
        raise BadValue(f"{shown(text)} is none of: {', '.join(field.choices)}.")
    return name


def _uuid(_field: Field, text: str) -> object:
    if not is_id(text):
        raise BadValue(f"{shown(text)} is no id.")
    return text.lower()


def _uuids(field: Field, text: str) -> object:
    return [_uuid(field, one) for one in items(text)]


def _texts(_field: Field, text: str) -> object:
    return items(text)


_CONVERT: Mapping[Form, Callable[[Field, str], object]] = {
    Form.TEXT: _text,
    Form.NUMBER: _number,
    Form.BOOLEAN: _boolean,
    Form.DATE: _date,
    Form.TIMESTAMP: _timestamp,
    Form.ENUM: _enum,
    Form.UUID: _uuid,
    Form.UUIDS: _uuids,
    Form.TEXTS: _texts,
}
