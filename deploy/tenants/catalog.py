"""The tables of a service that hold tenants' rows, as its database knows them: none is forgotten
when a service gets a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Final

import asyncpg

_TABLES: Final = """
SELECT c.relname::text AS name,
  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
    AND NOT attisdropped ORDER BY attnum) AS columns,
  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
    AND NOT attisdropped AND atttypid = 'numeric'::regtype) AS decimals,
  ARRAY(SELECT attname::text FROM pg_index, unnest(indkey) WITH ORDINALITY AS part (number, place)
    JOIN pg_attribute ON attnum = part.number AND attrelid = c.oid
    WHERE indrelid = c.oid AND indisprimary ORDER BY place) AS key
FROM pg_class AS c JOIN pg_attribute AS own ON own.attrelid = c.oid AND own.attname = 'tenant_id'
WHERE c.relnamespace = 'base'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY name
"""
_REFERENCES: Final = """
SELECT child.relname::text AS child, parent.relname::text AS parent, column_of.attname::text AS name
FROM pg_constraint AS c
JOIN pg_class AS child ON child.oid = c.conrelid JOIN pg_class AS parent ON parent.oid = c.confrelid
JOIN pg_attribute AS column_of ON column_of.attrelid = c.conrelid
  AND column_of.attnum = ANY(c.conkey) AND column_of.attname <> 'tenant_id'
WHERE c.contype = 'f' AND c.connamespace = 'base'::regnamespace AND c.conparentid = 0
"""


@dataclass(frozen=True)
class Table:
    """A table whose rows are of tenants: its columns, those that are NUMERIC, its primary key, and
    the columns by which rows name other rows of the same table.
    """

    name: str
    columns: Sequence[str]
    decimals: frozenset[str]
    key: Sequence[str]
    own_references: Sequence[str]

    @property
    def path(self) -> str:
        """The name as statements need it."""
        return f'base."{self.name}"'

    @property
    def key_list(self) -> str:
        """The columns of the key as statements need them."""
        return ", ".join(f'"{name}"' for name in self.key)


async def tenant_tables(connection: asyncpg.Connection) -> list[Table]:
    """All of them, each before those that it refers to."""
    references = await connection.fetch(_REFERENCES)
    found = {
        row["name"]: Table(
            row["name"],
            row["columns"],
            frozenset(row["decimals"]),
            row["key"],
            [one["name"] for one in references if one["child"] == one["parent"] == row["name"]],
        )
        for row in await connection.fetch(_TABLES)
    }
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(found, ()))
    for one in references:
        if one["child"] != one["parent"]:
            order.add(one["parent"], one["child"])
    return [found[name] for name in order.static_order() if name in found]
