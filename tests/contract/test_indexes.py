"""Whatever lists may be filtered or ordered by has an index that begins with tenant and field."""

from sqlalchemy import Index, Table, UnaryExpression
from sqlalchemy.sql.elements import ColumnElement

from chassis.resource.plan import Plan, make_plan
from tests.contract.resources import all_resources

# Found by their own kinds of index: the primary key, the unique one, GIN.
APART = {"id", "external_source", "external_id", "tags"}


def test_every_filterable_field_has_an_index() -> None:
    missing = [
        f"{plan.singular}.{name}"
        for plan in _plans()
        for name, one in plan.filters.items()
        if "." not in name and name not in APART and not _found(plan, one.column)
    ]
    assert not missing, missing


def test_every_orderable_field_has_an_index_both_ways() -> None:
    missing = []
    for plan in _plans():
        for name, order in plan.orders.items():
            ways = [False, True] if order.nullable else [False]
            missing += [
                f"{plan.singular}.{name}" for back in ways if not _found(plan, order.column, back)
            ]
    assert not missing, missing


def _plans() -> list[Plan]:
    return [make_plan(one.declared) for one in all_resources() if not one.excused("index")]


def _found(plan: Plan, column: ColumnElement[object], back: bool = False) -> bool:
    """Whether an index begins with tenant and column, or with the column's descending order."""
    return any(_second(index, back) is column for index in _indexes(plan.resource.table))


def _second(index: Index, back: bool) -> object:
    keys = list(index.expressions)
    if len(keys) < 2 or isinstance(keys[1], UnaryExpression) is not back:
        return None
    expression = keys[1]
    while isinstance(expression, UnaryExpression):
        expression = expression.element
    return expression


def _indexes(table: Table) -> set[Index]:
    return table.indexes
