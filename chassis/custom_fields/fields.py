"""Own fields in filters and orders, from the record's JSON or from the side table; which field is
meant is a parameter, so that tenants share statements.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any  # the reason stands where it is used

from sqlalchemy import ColumnElement, Table, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.types import Boolean, Date, Numeric, Text, TypeEngine

from chassis.custom_fields.model import CUSTOM, Definition, Kind, OwnFields, ids_by_label
from chassis.custom_fields.tables import FORMS, VALUE
from chassis.filter.fields import FieldKind, FilterField, Ties, filter_fields
from chassis.filter.order_by import OrderField

KINDS: Mapping[Kind, FieldKind] = {
    Kind.TEXT: FieldKind.TEXT,
    Kind.NUMBER: FieldKind.DECIMAL,
    Kind.MONEY: FieldKind.MONEY,
    Kind.DATE: FieldKind.DATE,
    Kind.BOOLEAN: FieldKind.BOOLEAN,
    Kind.CHOICE: FieldKind.ENUM,
    Kind.MULTI_CHOICE: FieldKind.TEXT_LIST,
    Kind.REFERENCE: FieldKind.ID,
}
# The order of ids means nothing to anybody.
ORDERED = (Kind.TEXT, Kind.NUMBER, Kind.MONEY, Kind.DATE, Kind.BOOLEAN)
_FORM = {Kind.NUMBER: "number", Kind.MONEY: "number", Kind.DATE: "date"}
_PARSE: Mapping[str, Callable[[str], object]] = {
    "text": str,
    "number": Decimal,
    "date": date.fromisoformat,
}
_TYPES: Mapping[Kind, TypeEngine[Any]] = {  # Any: it is invariant, kinds differ

    Kind.NUMBER: Numeric(), Kind.MONEY: Numeric(), Kind.DATE: Date(), Kind.BOOLEAN: Boolean(),
}  # fmt: skip


def slot(at: int) -> str:
    """The parameter that has the id of the field at this place."""
    return f"own_{at}"


def own_sources(own: OwnFields, table: Table) -> Mapping[str, "Source"]:
    """Where the values of a tenant's own fields are read, by path; to be made once per view."""
    return {
        one.path: Source(table, slot(at), one)
        for at, one in enumerate(own.definitions)
        if not one.deleted
    }


def own_filters(sources: Mapping[str, "Source"]) -> Mapping[str, FilterField]:
    """The filter fields by path; money also by its parts."""
    return filter_fields(source.filter_field() for source in sources.values())


def own_orders(sources: Mapping[str, "Source"]) -> Mapping[str, OrderField]:
    """The fields that lists may be ordered by, by path."""
    return {
        path: source.order_field()
        for path, source in sources.items()
        if source.definition.kind in ORDERED
    }


def form_of(kind: Kind) -> str:
    """Which column of the side table values of the kind are in."""
    return _FORM.get(kind, "text")


def side_row(one: Definition, value: object) -> dict[str, object]:
    """A stored value in the columns of the side table."""
    form = form_of(one.kind)
    row: dict[str, object] = {"form": form, **dict.fromkeys(FORMS.values())}
    if value is None:
        return row
    if one.kind is Kind.MONEY and isinstance(value, Mapping):
        return row | {
            "text_value": value["currency_code"], "number_value": Decimal(value["amount"]),
        }  # fmt: skip
    return row | {FORMS[form]: _PARSE[form](str(value))}


class Source:
    """Where the value of one field is read."""

    def __init__(self, table: Table, place: str, one: Definition) -> None:
        self.definition = one
        within = replace(one, index_state="NOT_INDEXED")
        self._inside = Source(table, place, within) if one.indexed else None
        self._identity = f"{place} {one.kind} {one.indexed}"
        self._currency: ColumnElement[object] | None = None
        self._ties: Ties = ()
        if one.indexed:
            self._value = self._from_side_table(table, place)
        else:
            self._value = self._from_json(table, bindparam(place, type_=Text()))

    def filter_field(self) -> FilterField:
        """The field in filters; a choice goes by its label or its id."""
        one = self.definition
        ids = {choice.id: choice.id for choice in one.choices.values()}
        labels = ids_by_label(one.choices)
        return FilterField(
            one.path,
            self._value,
            KINDS[one.kind],
            choices=tuple(labels) if one.kind is Kind.CHOICE else (),
            currency=self._currency,
            identity=self._identity,
            stored={**ids, **labels},
            ties=self._ties,
        )

    def order_field(self) -> OrderField:
        """The field in orders."""
        path, kind = self.definition.path, KINDS[self.definition.kind]
        inside = self._inside.order_field() if self._inside else None
        return OrderField(
            path, self._value, kind, identity=self._identity, ties=self._ties, inside=inside
        )

    def _from_json(self, table: Table, key: ColumnElement[str]) -> ColumnElement[object]:
        kind, stored = self.definition.kind, table.c[CUSTOM]
        part: ColumnElement[Any] = stored.op("->", return_type=JSONB())(key)  # Any: it is invariant
        text = _text(stored, key)
        if kind is Kind.MONEY:
            text = _text(part, literal_column("'amount'"))
            self._currency = _text(part, literal_column("'currency_code'"))
        if kind is Kind.MULTI_CHOICE:
            items = select(func.jsonb_array_elements_text(part)).correlate(table).scalar_subquery()
            return func.array(items, type_=ARRAY(Text()))
        return cast(text, _TYPES[kind]) if kind in _TYPES else text  # SQL's cast

    def _from_side_table(self, table: Table, place: str) -> ColumnElement[object]:
        kind = self.definition.kind
        side, form = VALUE.alias(f"side_{place}"), form_of(kind)
        self._currency = side.c.text_value if kind is Kind.MONEY else None
        self._ties = (
            side.c.tenant_id == table.c.tenant_id,
            side.c.field_id == bindparam(place, type_=UUID(as_uuid=False)),
            side.c.record_id == table.c.id,
            side.c.form == literal_column(f"'{form}'"),
        )
        return side.c[FORMS[form]]


def _text(stored: ColumnElement[object], key: ColumnElement[str]) -> ColumnElement[object]:
    found: ColumnElement[Any] = stored.op("->>", return_type=Text())(key)  # Any: it is invariant
    return found
