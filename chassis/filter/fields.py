"""What a resource declares about the fields that filters and orders may name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any  # the reason stands where it is used

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine


class FieldKind(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    UUID = "uuid"
    # An id that is held as text.
    ID = "id"
    ENUM = "enum"
    MONEY = "money"
    TEXT_LIST = "text list"


# Fixed types, not the column's: a bind cast to NUMERIC(18, 2) would round what the caller wrote.
_TYPES: Mapping[FieldKind, TypeEngine[Any]] = {  # Any: it is invariant, kinds differ
    FieldKind.TEXT: sa.Text(),
    FieldKind.INTEGER: sa.BigInteger(),
    FieldKind.DECIMAL: sa.Numeric(),
    FieldKind.BOOLEAN: sa.Boolean(),
    FieldKind.DATE: sa.Date(),
    FieldKind.TIMESTAMP: sa.DateTime(timezone=True),
    FieldKind.UUID: sa.Uuid(),
    FieldKind.ID: sa.Text(),
    FieldKind.ENUM: sa.Text(),
    FieldKind.MONEY: sa.Numeric(),
    FieldKind.TEXT_LIST: ARRAY(sa.Text()),
}


Ties = tuple[ColumnElement[bool], ...]


@dataclass(frozen=True, slots=True)
class FilterField:
    """One filterable field: the name callers write, what it reads, and its kind.

    `choices` are the names of an ENUM; `currency` is the code column beside a MONEY amount.
    `identity` stands for the column in cache keys; set it where the name alone does not tell the
    column (a tenant's own field: its place). `stored` is what names of choices stand for where that
    is another value; `ties` are the conditions that tie the column's table to the record's.
    """

    name: str
    column: ColumnElement[object]
    kind: FieldKind
    choices: tuple[str, ...] = ()
    currency: ColumnElement[object] | None = None
    identity: str = ""
    stored: Mapping[str, str] = field(default_factory=dict)
    ties: Ties = ()

    def __post_init__(self) -> None:
        if not self.identity and (self.kind is FieldKind.ENUM) != bool(self.choices):
            raise ValueError(f"{self.name}: choices belong to an enum, and only there")
        if (self.kind is FieldKind.MONEY) != (self.currency is not None):
            raise ValueError(f"{self.name}: a currency column belongs to money, and only there")

    @property
    def key(self) -> str:
        return self.identity or self.name


def filter_fields(fields: Iterable[FilterField]) -> Mapping[str, FilterField]:
    """The fields by name; money also under `.amount` and `.currency_code`; ValueError if twice."""
    found: dict[str, FilterField] = {}
    for declared in fields:
        for one in _with_parts(declared):
            if one.name in found:
                raise ValueError(f"filter field {one.name} is declared twice")
            found[one.name] = one
    return found


def _with_parts(one: FilterField) -> tuple[FilterField, ...]:
    if one.currency is None:
        return (one,)
    code = FilterField(
        f"{one.name}.currency_code",
        one.currency,
        FieldKind.TEXT,
        identity=f"{one.key}.currency_code",
        ties=one.ties,
    )
    return (one, replace(one, name=f"{one.name}.amount", identity=one.key), code)


def bind(name: str, kind: FieldKind) -> sa.BindParameter[object]:
    """A parameter of that name, valued at run time, cast as values of the kind are."""
    return sa.bindparam(name, type_=_TYPES[kind])
