"""What summaries group and filter by, as SQL over the facts."""

from sqlalchemy import ColumnElement, Text, case, func, or_
from sqlalchemy import cast as sql_cast

from chassis.filter.fields import FieldKind, FilterField, filter_fields
from services.reporting.domain.fact import CLOSE_MONTH, CLOSE_QUARTER, LOST, OPEN, REFERENCES, WON
from services.reporting.models.opportunity_fact import DATES, TEXTS, UUIDS, opportunity_fact

_c = opportunity_fact.c
_CLOSED = or_(_c.state == WON, _c.state == LOST)
_CLOSE = case((_CLOSED, _c.close_date), else_=_c.expected_close_date)
_TIME_FORMATS = {CLOSE_MONTH: "YYYY-MM", CLOSE_QUARTER: 'YYYY"Q"Q'}

# Named as in sales; money also as amount.amount and amount.currency_code.
FILTERS = filter_fields(
    [
        FilterField("id", _c.id, FieldKind.UUID),
        *[FilterField(name, _c[name], FieldKind.UUID) for name in UUIDS],
        *[FilterField(name, _c[name], FieldKind.TEXT) for name in TEXTS if name != "state"],
        FilterField("state", _c.state, FieldKind.ENUM, choices=(OPEN, WON, LOST)),
        FilterField("amount", _c.amount, FieldKind.MONEY, currency=_c.amount_currency),
        *[FilterField(name, _c[name], FieldKind.DATE) for name in DATES],
        *[
            FilterField(name, _c[name], FieldKind.TIMESTAMP)
            for name in ("create_time", "update_time")
        ],
    ]
)

# The fields of opportunities that a dimension tells of.
_TIMES = frozenset({"state", "close_date", "expected_close_date"})
FIELDS = {dimension: frozenset({name}) for dimension, name in REFERENCES.items()} | dict.fromkeys(
    _TIME_FORMATS, _TIMES
)


def value_of(dimension: str) -> ColumnElement[object]:
    """What a fact is grouped by in that dimension: an id or a day."""
    return _c[REFERENCES[dimension]] if dimension in REFERENCES else _CLOSE


def key_of(dimension: str, value: ColumnElement[object]) -> ColumnElement[str]:
    """The key that a grouped value belongs to, as `domain.fact` makes it."""
    text: ColumnElement[str] = (
        sql_cast(value, Text)
        if dimension in REFERENCES
        else func.to_char(value, _TIME_FORMATS[dimension])
    )
    return func.coalesce(text, "")
