"""What a tenant's tables hold, as checksums: to see that nothing of it has changed."""

import asyncio

import asyncpg

from deploy.local.platform import Platform
from tests.integration.security.wire import SERVICES
from tests.under_way import under_way

TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'base' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
    ORDER BY c.relname
"""
# Signed by the clock, whatever anybody does.
BY_THE_CLOCK = frozenset({"log_head", "log_root"})
STILL_LOOKS, LOOKS_MAX, LOOK_EVERY_S = 3, 60, 0.3

Checksums = dict[str, str]


async def settled(platform: Platform, tenant_id: str) -> Checksums:
    """The checksum of the tenant's rows in every table, once events have come where they go."""
    found, still = await checksums(platform, tenant_id), 0
    for _ in range(LOOKS_MAX):
        await asyncio.sleep(LOOK_EVERY_S)
        now = await checksums(platform, tenant_id)
        still = still + 1 if now == found and not await under_way(platform, SERVICES) else 0
        found = now
        if still == STILL_LOOKS:
            return found
    raise AssertionError("the tenant's tables do not come to rest")


async def checksums(platform: Platform, tenant_id: str) -> Checksums:
    """The checksum of the tenant's rows in every table of every service."""
    found: Checksums = {}
    for service in SERVICES:
        owner = await asyncpg.connect(platform.database_url(service, "owner"))
        try:
            tables = {row["relname"] for row in await owner.fetch(TABLES)} - BY_THE_CLOCK
            for table in sorted(tables):
                found[f"{service}.{table}"] = await owner.fetchval(_sum_of(table), tenant_id)
        finally:
            await owner.close()
    return found


def changed(before: Checksums, after: Checksums) -> list[str]:
    """The tables that differ."""
    return sorted(name for name in before | after if before.get(name) != after.get(name))


def _sum_of(table: str) -> str:
    return (
        f"SELECT count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"  # noqa: S608  # names from the catalogue
        f' FROM base."{table}" t WHERE tenant_id = $1'
    )
