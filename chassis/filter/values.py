"""Turns what a filter says after an operator into the typed value to bind, by kind of field."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from uuid import UUID

from chassis.dates import civil_date
from chassis.filter.fields import FieldKind, FilterField
from chassis.filter.tree import Call, FilterError, Text, shown

FilterValue = str | int | Decimal | bool | date | datetime | UUID | list[str] | list[int] | None

DAYS_MAX = 36_525
INTEGER_MAX = 2**63 - 1
DECIMAL_DIGITS_MAX = 38
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"-?[0-9]{1,38}(?:\.[0-9]{1,38})?(?:[eE][+-]?[0-9]{1,2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class FilterContext:
    """What functions mean: an aware instant, the tenant's zone, who asks and from where."""

    now: datetime
    zone: tzinfo
    user_id: str
    department_id: str | None = None


def value_of(field: FilterField, value: Text | Call, context: FilterContext) -> FilterValue:
    """The value to bind for a field; raises FilterError when its kind does not take it."""
    if isinstance(value, Call):
        return _function_value(field, value, context)
    text = value.plain
    if text is None:
        raise FilterError(f"{field.name} ({field.kind}) takes no wildcard", value.position)
    if value.quoted and field.kind in (FieldKind.INTEGER, FieldKind.BOOLEAN):
        raise FilterError(f"{field.name} ({field.kind}) takes no quoted value", value.position)
    try:
        return _READERS[field.kind](field, text, context)
    except (ValueError, OverflowError) as error:
        detail = f"{shown(text)} is no value of {field.name}: {error}"
        raise FilterError(detail, value.position) from None


def _read_enum(field: FilterField, text: str, _context: FilterContext) -> FilterValue:
    if text not in field.choices and text not in field.stored:
        raise ValueError(f"allowed are {', '.join(field.choices)}")
    return field.stored.get(text, text)


def _read_boolean(_field: FilterField, text: str, _context: FilterContext) -> FilterValue:
    if text not in ("true", "false"):
        raise ValueError("allowed are true, false")
    return text == "true"


def _read_integer(_field: FilterField, text: str, _context: FilterContext) -> FilterValue:
    if not _INTEGER.fullmatch(text) or not -INTEGER_MAX - 1 <= int(text) <= INTEGER_MAX:
        raise ValueError("expected a whole number of 64 bits")
    return int(text)


def _read_decimal(_field: FilterField, text: str, _context: FilterContext) -> FilterValue:
    if not _DECIMAL.fullmatch(text):
        raise ValueError("expected a number")
    number = Decimal(text)
    if abs(number.adjusted()) >= DECIMAL_DIGITS_MAX and number:
        raise ValueError(f"expected a number of at most {DECIMAL_DIGITS_MAX} digits")
    return number


def _read_date(_field: FilterField, text: str, _context: FilterContext) -> FilterValue:
    return civil_date(text)


def _read_timestamp(_field: FilterField, text: str, context: FilterContext) -> FilterValue:
    if _DATE.fullmatch(text):
        return _day_start(date.fromisoformat(text), context.zone)
    if not _TIMESTAMP.fullmatch(text):
        raise ValueError("expected YYYY-MM-DDTHH:MM:SSZ (RFC 3339) or a date YYYY-MM-DD")
    return datetime.fromisoformat(text).astimezone(UTC)


def _read_uuid(field: FilterField, text: str, _context: FilterContext) -> FilterValue:
    text = field.stored.get(text, text)
    if not _UUID.fullmatch(text):
        raise ValueError("expected a UUID")
    return UUID(text)


def _day_start(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)


_READERS: Mapping[FieldKind, Callable[[FilterField, str, FilterContext], FilterValue]] = {
    FieldKind.TEXT: lambda _field, text, _context: text,
    FieldKind.INTEGER: _read_integer,
    FieldKind.DECIMAL: _read_decimal,
    FieldKind.BOOLEAN: _read_boolean,
    FieldKind.DATE: _read_date,
    FieldKind.TIMESTAMP: _read_timestamp,
    FieldKind.UUID: _read_uuid,
    FieldKind.ID: lambda field, text, context: str(_read_uuid(field, text, context)),
    FieldKind.ENUM: _read_enum,
    FieldKind.MONEY: _read_decimal,
    FieldKind.TEXT_LIST: lambda field, text, _context: [field.stored.get(text, text)],
}


_DAY_KINDS = (FieldKind.DATE, FieldKind.TIMESTAMP)
_ID_KINDS = (FieldKind.UUID, FieldKind.ID, FieldKind.TEXT)
_FUNCTIONS: Mapping[str, tuple[int, tuple[FieldKind, ...]]] = {
    "today": (0, _DAY_KINDS),
    "days_ago": (1, _DAY_KINDS),
    "days_from_now": (1, _DAY_KINDS),
    "now": (0, (FieldKind.TIMESTAMP,)),
    "me": (0, _ID_KINDS),
    "my_department": (0, _ID_KINDS),
}


def _function_value(field: FilterField, call: Call, context: FilterContext) -> FilterValue:
    if call.name not in _FUNCTIONS:
        allowed = ", ".join(f"{name}()" for name in _FUNCTIONS)
        message = f"unknown function {shown(call.name)}; allowed are {allowed}"
        raise FilterError(message, call.position)
    count, kinds = _FUNCTIONS[call.name]
    if len(call.arguments) != count:
        raise FilterError(f"{call.name}() takes {count} arguments", call.position)
    if field.kind not in kinds:
        message = f"{call.name}() is no value of {field.name} ({field.kind})"
        raise FilterError(message, call.position)
    if call.name == "now":
        return context.now
    if call.name in ("me", "my_department"):
        return _id_value(field, call, context)
    return _day_value(field, call, context)


def _day_value(field: FilterField, call: Call, context: FilterContext) -> FilterValue:
    days = _days(call.arguments[0]) if call.arguments else 0
    offset = timedelta(days=-days if call.name == "days_ago" else days)
    day = context.now.astimezone(context.zone).date() + offset
    return day if field.kind is FieldKind.DATE else _day_start(day, context.zone)


def _days(argument: Text) -> int:
    text = argument.plain or ""
    if argument.quoted or not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > DAYS_MAX:
        raise FilterError(f"expected a number of days from 0 to {DAYS_MAX}", argument.position)
    return int(text)


def _id_value(field: FilterField, call: Call, context: FilterContext) -> FilterValue:
    found = context.user_id if call.name == "me" else context.department_id
    if found is None or field.kind is not FieldKind.UUID:
        return found
    if not _UUID.fullmatch(found):
        raise FilterError(f"{call.name}() has no value for this caller", call.position)
    return UUID(found)
