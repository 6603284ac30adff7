"""Compares the rollup with the facts it is made of, and puts it right."""

from collections.abc import Mapping
from functools import cache

from sqlalchemy import bindparam, select

from chassis.db.pool import Database, Tx
from chassis.db.sql import Statement, statement
from services.reporting.domain.fact import DIMENSIONS
from services.reporting.domain.rollup import Cell, Sums
from services.reporting.methods.facts import add_sums, lock_rollup
from services.reporting.methods.sums import facts_summed, sums_of
from services.reporting.models.opportunity_fact import opportunity_fact
from services.reporting.models.pipeline_rollup import MEASURES, pipeline_rollup

_ROLLUP = statement(
    select(
        pipeline_rollup.c.key,
        pipeline_rollup.c.currency,
        *[pipeline_rollup.c[name] for name in MEASURES],
    ).where(
        pipeline_rollup.c.tenant_id == bindparam("tenant_id"),
        pipeline_rollup.c.dimension == bindparam("dimension"),
    )
)
_TENANTS = statement(select(opportunity_fact.c.tenant_id).distinct())


async def recompute_all(database: Database, *, check: bool) -> list[str]:
    """Recompute tenant by tenant; one line for each cell that was wrong."""
    async with database.worker() as tx:
        tenants = sorted(str(row["tenant_id"]) for row in await tx.fetch(_TENANTS, {}))
    lines: list[str] = []
    for tenant_id in tenants:
        async with database.transaction(tenant_id) as tx:
            missing = await recompute(tx, tenant_id, check=check)
        lines += [f"{tenant_id} {' '.join(cell)}: lacks {sums}" for cell, sums in missing.items()]
    return lines


async def recompute(tx: Tx, tenant_id: str, *, check: bool) -> Mapping[Cell, Sums]:
    """What a tenant's rollup lacks, by cell; unless it is only to check, that is added.

    Writers of the tenant wait meanwhile. Empty when the rollup is right.
    """
    await lock_rollup(tx, tenant_id)
    missing: dict[Cell, Sums] = {}
    for dimension in DIMENSIONS:
        values = {"tenant_id": tenant_id, "dimension": dimension}
        wanted = {
            (r["key"], r["currency"]): sums_of(r)
            for r in await tx.fetch(_summed(dimension), values)
        }
        found = {(r["key"], r["currency"]): sums_of(r) for r in await tx.fetch(_ROLLUP, values)}
        for key, currency in sorted(wanted.keys() | found.keys()):
            sums = wanted.get((key, currency), Sums())
            lack = sums.plus(found.get((key, currency), Sums()), -1)
            if lack != Sums():
                missing[dimension, key, currency] = lack
    if not check:
        await add_sums(tx, tenant_id, missing)
    return missing


@cache
def _summed(dimension: str) -> Statement:
    return statement(facts_summed(dimension))
