"""The indexes that lists of a resource go by."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Index, Table

from chassis.db.schema import SCOPE_COLUMNS

# What an index of an order holds beside its keys.
SCOPE_HELD = [*SCOPE_COLUMNS, "delete_time"]


def list_indexes(
    table: Table,
    orderable: Sequence[str] = (),
    filterable: Sequence[str] = (),
    together: Sequence[tuple[str, str]] = (),
) -> None:
    """The indexes that lists of a resource walk: its times, what row scope needs, and the fields
    that may be ordered or filtered by.

    A plain index read backwards has its NULLs first, and lists have them last both ways: a field
    that may be NULL has two. Those that lists are ordered by hold what row scope needs, so that
    rows out of reach are passed over without a look at the table. A filter and an order that go
    `together` (what the one finds lies behind all else in the other) have indexes of their own.
    """
    scope = [name for name in SCOPE_COLUMNS if name in table.c]
    held = [name for name in SCOPE_HELD if name in table.c] if scope else None
    names = ("create_time", "update_time", *scope, *orderable, *filterable)
    for name in dict.fromkeys(names):
        column = table.c[name]
        sparse = column.is_not(None) if name == "partner_company_id" else None
        keys = (table.c.tenant_id, column, table.c.id)
        held_here = held if name in {"create_time", "update_time", *orderable} else None
        Index(
            f"ix_{table.name}_{name}", *keys, postgresql_where=sparse, postgresql_include=held_here
        )
        if name in orderable and column.nullable:
            back = (table.c.tenant_id, column.desc().nulls_last(), table.c.id.desc())
            Index(f"ix_{table.name}_{name}_desc", *back, postgresql_include=held)
    for first, second in together:
        name, begin, column = f"ix_{table.name}_{first}_{second}", table.c[first], table.c[second]
        whole = (table.c.tenant_id, begin, column, table.c.id)
        Index(name, *whole, postgresql_include=held)
        last = (column.desc().nulls_last(), table.c.id.desc())
        Index(f"{name}_desc", table.c.tenant_id, begin, *last, postgresql_include=held)


def held_with(table: Table, column: ColumnElement[object]) -> set[ColumnElement[object]]:
    """The columns that can be looked at within the indexes that have this one as a key."""
    indexes = [one for one in table.indexes if column in one.columns.values()]
    names = [name for one in indexes for name in one.dialect_options["postgresql"]["include"] or ()]
    keys = [key for one in indexes for key in one.columns]
    return {*keys, *(table.c[str(name)] for name in names)}
