"""The values of own fields: from JSON as callers write it to JSON as it is stored, by kind."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from chassis.custom_fields.model import Choices, Definition, Kind
from chassis.dates import civil_date
from chassis.ids import is_id
from chassis.money import currencies, rounded

TEXT_MAX = 4000
# What an index of the database can hold whatever the script.
TRACKED_TEXT_MAX = 500
CHOICES_MAX = 50
LIST_MARK = ";"
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?\Z")


class BadValue(Exception):  # its text is told to the caller, at the field
    """A value that the field does not take."""


def stored_value(own: Definition, value: object, before: object = None) -> object:
    """The value as it is stored, None for an empty one; BadValue when the field does not take it.

    Of choices that are retired only those `before` may stay.
    """
    return _STORE[own.kind](own, value, before)


def value_of_text(own: Definition, text: str) -> object:
    """The value that a text means, of a cell or a default, before it is checked: choices by label
    or id, money as "12.50 CNY"; BadValue when it means none.
    """
    if own.kind is Kind.MONEY:
        amount, _, code = text.partition(" ")
        return {"currency_code": code.strip().upper(), "amount": amount}
    if own.kind is Kind.BOOLEAN:
        return BOOLEANS.get(text.lower(), text)
    if own.kind is Kind.CHOICE:
        return choice_id(own.choices, text)
    if own.kind is Kind.MULTI_CHOICE:
        return [choice_id(own.choices, part) for part in items(text)]
    return text


def items(text: str) -> list[str]:
    """The entries of a list in one cell."""
    return [part for one in text.split(LIST_MARK) if (part := one.strip())]


def choice_id(choices: Choices, text: str) -> str:
    """The id of the choice with this label that is not deleted, else the text as an id."""
    named = (one for one in choices.values() if one.label == text and not one.deleted)
    return next((one.id for one in named), text)


def unique_key(own: Definition, value: object) -> str | None:
    """What two living records may not share."""
    if not own.unique or value is None:
        return None
    return str(value).casefold() if own.kind is Kind.TEXT else str(value)


def _text(own: Definition, value: object, _before: object) -> object:
    most = TRACKED_TEXT_MAX if own.tracked else TEXT_MAX
    if not isinstance(value, str) or "\0" in value:
        raise BadValue("It must be text.")
    if len(value) > most:
        raise BadValue(f"At most {most} characters.")
    return value or None


def _number(_own: Definition, value: object, _before: object) -> object:
    return decimal_text(value)


def decimal_text(value: object) -> str:
    """The one way to write a decimal number; BadValue for anything else."""
    if not isinstance(value, str) or not _NUMBER.match(value):
        raise BadValue('It must be a decimal number in a string, such as "12.5".')
    number = format(Decimal(value).normalize(), "f")
    return "0" if number == "-0" else number


def _money(_own: Definition, value: object, _before: object) -> object:
    parts = value if isinstance(value, Mapping) else {}
    if set(parts) != {"currency_code", "amount"}:
        raise BadValue("It must be an object of currency_code and amount.")
    code, amount = parts["currency_code"], decimal_text(parts["amount"])
    if not isinstance(code, str) or code not in currencies():
        raise BadValue("There is no such currency.")
    return {"currency_code": code, "amount": format(rounded(Decimal(amount), code), "f")}


def _date(_own: Definition, value: object, _before: object) -> object:
    try:
        return civil_date(str(value)).isoformat()
    except ValueError:
        raise BadValue("It must be a date, YYYY-MM-DD.") from None


def _boolean(_own: Definition, value: object, _before: object) -> object:
    if not isinstance(value, bool):
        raise BadValue("It must be true or false.")
    return value


def _choice(own: Definition, value: object, before: object) -> object:
    chosen = own.choices.get(str(value))
    if not isinstance(value, str) or chosen is None or (chosen.deleted and value != before):
        raise BadValue("There is no such choice.")
    if chosen.retired and value != before:
        raise BadValue("This choice is not to be used any more.")
    return value


def _choices(own: Definition, value: object, before: object) -> object:
    if not isinstance(value, list) or len(value) > CHOICES_MAX:
        raise BadValue(f"It must be a list of at most {CHOICES_MAX} choices.")
    held = before if isinstance(before, list) else []
    for one in value:
        _choice(own, one, one if one in held else None)
    return list(dict.fromkeys(value)) or None


def _reference(_own: Definition, value: object, _before: object) -> object:
    if not isinstance(value, str) or not is_id(value):
        raise BadValue("It must be the id of a record.")
    return value.lower()


_STORE: Mapping[Kind, Callable[[Definition, object, object], object]] = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.MONEY: _money,
    Kind.DATE: _date,
    Kind.BOOLEAN: _boolean,
    Kind.CHOICE: _choice,
    Kind.MULTI_CHOICE: _choices,
    Kind.REFERENCE: _reference,
}
