"""The indexes that lists of a resource go by."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Index, Table, Text

from chassis.db.schema import SCOPE_COLUMNS

# What an index of an order holds beside its keys.
SCOPE_HELD = [*SCOPE_COLUMNS, "delete_time"]
# What few records have.
SPARSE = frozenset({"partner_company_id", "external_source"})
# By what a small reach is gathered.
GATHERED_BY = frozenset({"owner_id", "department_id"})


def list_indexes(
    table: Table,
    orderable: Sequence[str] = (),
    filterable: Sequence[str] = (),
    together: Sequence[tuple[str, str]] = (),
    held: Sequence[str] | None = None,
) -> None:
    """The indexes that lists of a resource walk: its times, what row scope needs, and the fields
    that may be ordered or filtered by.

    A plain index read backwards has its NULLs first, and lists have them last both ways: a field
    that may be NULL has two. Those of orders hold what row scope needs, so that rows out of reach
    are passed over without a look at the table. Of a resource with very many records they also hold
    the short orders and what is to be `held` for filters; and those of owner and department hold
    the longer orders, too: a small reach is filtered and put in order within them. A filter and an
    order that go `together` (what the one finds lies behind all else in the other) have indexes of
    their own.
    """
    scope = [name for name in SCOPE_COLUMNS if name in table.c]
    orders = ("create_time", "update_time", *orderable)
    in_orders = [name for name in SCOPE_HELD if name in table.c] if scope else []
    in_scope: Iterable[str] = ()
    if held is not None:
        in_orders += [name for name in orders if not isinstance(table.c[name].type, Text)]
        in_orders += held
        in_scope = dict.fromkeys([*in_orders, *orders])
        filterable = (*filterable, "external_source")

    def add(names: tuple[str, ...], end: str, *keys: ColumnElement[object]) -> None:
        by = names[-1]
        holds = in_scope if by in GATHERED_BY else in_orders if by in orders else ()
        Index(
            f"ix_{table.name}_{'_'.join(names)}{end}",
            *(table.c.tenant_id, *keys),
            postgresql_where=table.c[by].is_not(None) if by in SPARSE else None,
            postgresql_include=[name for name in holds if name not in names] or None,
        )

    for name in dict.fromkeys((*orders[:2], *scope, *orderable, *filterable)):
        column = table.c[name]
        add((name,), "", column, table.c.id)
        if name in orderable and column.nullable:
            add((name,), "_desc", column.desc().nulls_last(), table.c.id.desc())
    for first, second in together:
        begin, column = table.c[first], table.c[second]
        add((first, second), "", begin, column, table.c.id)
        add((first, second), "_desc", begin, column.desc().nulls_last(), table.c.id.desc())


def held_with(table: Table, column: ColumnElement[object]) -> set[ColumnElement[object]]:
    """The columns that can be looked at within the indexes that have this one as a key."""
    indexes = [one for one in table.indexes if column in one.columns.values()]
    names = [name for one in indexes for name in one.dialect_options["postgresql"]["include"] or ()]
    keys = [key for one in indexes for key in one.columns]
    return {*keys, *(table.c[str(name)] for name in names)}
