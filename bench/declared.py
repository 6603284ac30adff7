"""One filter for each field that a resource may be filtered by."""

from collections.abc import Mapping
from typing import Final

from bench.data import record_id
from chassis.filter.fields import FieldKind, FilterField

_TESTS: Final = {
    FieldKind.BOOLEAN: "{} = true",
    FieldKind.DATE: '{} > "2027-06-01"',
    FieldKind.INTEGER: "{} > 2000",
    FieldKind.MONEY: "{}.amount > 900000",
    FieldKind.TEXT: '{} = "DE"',
    FieldKind.TEXT_LIST: '{}:"bench"',
    FieldKind.TIMESTAMP: '{} > "2026-06-01T00:00:00Z"',
    FieldKind.UUID: f'{{}} = "{record_id(777)}"',
}


def declared_filters(fields: Mapping[str, FilterField]) -> list[str]:
    """By the kinds of fields; of those with choices the first one."""
    whole = {name: one for name, one in fields.items() if "." not in name}
    return [
        f"{name} = {next(iter(one.choices))}" if one.choices else _TESTS[one.kind].format(name)
        for name, one in whole.items()
    ]
