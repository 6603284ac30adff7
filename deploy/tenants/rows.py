"""Deletes a tenant's rows: in batches, referring ones first, so that a kill loses one batch."""

from collections.abc import Collection
from typing import Final

import asyncpg

from deploy.tenants.catalog import Table, tenant_tables

BATCH: Final = 5000
# The boot of a consumer remembers the last record it has read as `tenant/record`.
_FORGET_BOOT: Final = "UPDATE base.consumer_boot SET after = '' WHERE after LIKE $1 || '/%'"


async def remove_rows(
    connection: asyncpg.Connection, tenant_id: str, kept: Collection[str] = ()
) -> int:
    """Delete the rows of a tenant in every table of a database but those kept; how many."""
    tables = [one for one in await tenant_tables(connection) if one.name not in kept]
    # First what relays publish and audits compare with the streams.
    tables.sort(key=lambda one: one.name != "change")
    return sum([await _empty(connection, tenant_id, table) for table in tables])


async def forget_boots(connection: asyncpg.Connection, tenant_id: str) -> None:
    """Have boots under way that would go on behind one of its records begin anew."""
    await connection.execute(_FORGET_BOOT, tenant_id)


async def _empty(connection: asyncpg.Connection, tenant_id: str, table: Table) -> int:
    some = (
        f"SELECT {table.key_list} FROM {table.path} WHERE tenant_id = $1"  # noqa: S608  # names from the catalog
        f" ORDER BY {table.key_list} LIMIT {BATCH}"
    )
    delete = f"DELETE FROM {table.path} WHERE tenant_id = $1 AND ({table.key_list}) IN ({some})"  # noqa: S608  # as above
    freed = [
        f'UPDATE {table.path} SET "{name}" = NULL WHERE tenant_id = $1'  # noqa: S608  # as above
        f' AND (tenant_id, "{name}") IN ({some})'
        for name in table.own_references
    ]
    total, done = 0, BATCH
    while done == BATCH:
        async with connection.transaction():
            for statement in freed:
                await connection.execute(statement, tenant_id)
            done = int((await connection.execute(delete, tenant_id)).split()[1])
        total += done
    return total
