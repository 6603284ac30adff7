"""Whatever events come, in whatever batches, the rollup equals the facts recomputed."""

import asyncio
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, select

from chassis.db.pool import Database
from chassis.db.sql import statement
from chassis.events.envelope import Event
from services.reporting.methods.recompute import recompute, recompute_all
from services.reporting.models.opportunity_fact import opportunity_fact
from services.reporting.models.pipeline_rollup import pipeline_rollup
from tests.integration.reporting.ground import call, event, feed, money, summary

IDS = st.sampled_from(["", str(UUID(int=1)), str(UUID(int=2))])
DAYS = st.sampled_from(["", "2016-12-31", "2017-01-01", "2017-03-31"])
MONEY = st.one_of(
    st.none(),
    st.builds(
        money,
        st.decimals(min_value=0, max_value=10**9, places=2).map(str),
        st.sampled_from(["USD", "CNY"]),
    ),
)
DATA = st.fixed_dictionaries(
    {
        "stage_id": IDS,
        "owner_id": IDS,
        "product_id": IDS,
        "customer_id": IDS,
        "campaign_id": IDS,
        "state": st.sampled_from(["OPEN", "WON", "LOST"]),
        "amount": MONEY,
        "expected_close_date": DAYS,
        "close_date": DAYS,
        "delete_time": st.sampled_from([None, "2017-05-01T00:00:00Z"]),
    }
)
# record, version, event name, data: versions repeat and come in any order.
EVENTS = st.tuples(
    st.integers(10, 12),
    st.integers(1, 6),
    st.sampled_from(["created", "updated", "deleted", "restored", "purged", "snapshot"]),
    DATA,
)
VERSIONS = statement(
    select(opportunity_fact.c.id, opportunity_fact.c.version).where(
        opportunity_fact.c.tenant_id == bindparam("tenant_id")
    )
)
SPOIL = statement(
    pipeline_rollup.update()
    .values(count=pipeline_rollup.c["count"] + 5)
    .where(
        pipeline_rollup.c.tenant_id == bindparam("tenant_id"),
        pipeline_rollup.c.dimension == "stage",
    )
)


async def differing(database: Database, tenant: str) -> object:
    async with database.transaction(tenant) as tx:
        return await recompute(tx, tenant, check=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(EVENTS, min_size=1, max_size=6), min_size=1, max_size=5))
async def test_rollup_equals_recomputation(
    database: Database, batches: list[list[tuple[int, int, str, dict[str, object]]]]
) -> None:
    tenant = str(uuid4())
    highest: dict[str, int] = {}
    for batch in batches:
        events: list[Event] = []
        for number, version, name, data in batch:
            record = str(UUID(int=number))
            highest[record] = max(version, highest.get(record, 0))
            events.append(event(tenant, "opportunity", record, version, name, **data))
        await feed(database, tenant, *events)
    assert await differing(database, tenant) == {}
    async with database.transaction(tenant) as tx:
        rows = await tx.fetch(VERSIONS, {"tenant_id": tenant})
    assert {str(row["id"]): row["version"] for row in rows} == highest


async def test_rollup_survives_writers_at_once(database: Database, tenant: str) -> None:
    stage = str(UUID(int=1))
    events = [
        event(tenant, "opportunity", str(uuid4()), 1, "created", stage_id=stage, state="OPEN")
        for _ in range(40)
    ]
    # Each twice, in batches that overlap and cross.
    batches = [events[at : at + 10] for at in range(0, 40, 5)]
    await asyncio.gather(*(feed(database, tenant, *reversed(batch)) for batch in batches))
    assert await differing(database, tenant) == {}
    groups = await summary(database, call(tenant), "stage")
    assert [group.count for group in groups.values()] == [40]


async def test_recompute_finds_and_repairs(database: Database, tenant: str) -> None:
    stage = str(UUID(int=1))
    await feed(
        database,
        tenant,
        event(tenant, "opportunity", str(uuid4()), 1, "created", stage_id=stage, state="WON"),
    )
    async with database.transaction(tenant) as tx:
        await tx.execute(SPOIL, {"tenant_id": tenant})
    lines = await recompute_all(database, check=True)
    assert any(line.startswith(f"{tenant} stage {stage}") for line in lines)
    await recompute_all(database, check=False)
    assert await recompute_all(database, check=True) == []


async def test_tenants_do_not_see_each_other(database: Database, tenant: str) -> None:
    await feed(
        database, tenant, event(tenant, "opportunity", str(uuid4()), 1, "created", state="WON")
    )
    assert await summary(database, call(str(uuid4())), "stage") == {}
