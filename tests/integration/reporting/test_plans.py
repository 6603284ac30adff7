"""Summaries over facts use indexes, seen as the runtime role sees them."""

import asyncpg
import pytest

from chassis.access.scope import reach_values
from chassis.db.pool import Database
from chassis.filter.condition import compile_filter
from chassis.filter.parser import parse_filter
from chassis.resource.query import filter_context
from deploy.local.platform import Platform
from services.reporting.methods.dimensions import FILTERS
from services.reporting.methods.sums import Question, SumsReader
from tests.integration.reporting.ground import call, plan_of

ROWS = 20_000
OWNER = "00000000-0000-0000-0000-000000000007"
FILL = """
    INSERT INTO base.opportunity_fact
        (tenant_id, id, version, owner_id, customer_id, stage_id, state, amount, amount_currency,
         close_date, expected_close_date)
    SELECT $1::uuid, lpad(to_hex(n), 32, '0')::uuid, 1, lpad(to_hex(n % 400), 32, '0')::uuid,
        lpad(to_hex(n % 5000), 32, '0')::uuid, lpad(to_hex(n % 5), 32, '0')::uuid, 'WON', n, 'USD',
        date '2010-01-01' + n % 3000, date '2010-01-01' + n % 3000
    FROM generate_series(1, $2::int) AS n
"""


@pytest.fixture
async def crowded(platform: Platform, tenant: str) -> str:
    """Many facts, known to the planner."""
    owner = await asyncpg.connect(platform.database_url("reporting", "owner"))
    try:
        await owner.execute(FILL, tenant, ROWS)
        await owner.execute("ANALYZE base.opportunity_fact")
    finally:
        await owner.close()
    return tenant


@pytest.mark.parametrize(
    ("expression", "scope", "index"),
    [
        (f"owner_id = {OWNER} AND state = WON", "ALL", "owner_id"),
        (f"customer_id = {OWNER}", "ALL", "customer_id"),
        ("close_date >= 2017-01-01 AND close_date < 2017-02-01", "ALL", "close_date"),
        ("", "OWN", "owner_id"),
        ("", "DEPARTMENT", "department_id"),
        ("", "OWN", "grantee_ids"),
    ],
)
async def test_facts_are_read_by_index(
    database: Database, crowded: str, expression: str, scope: str, index: str
) -> None:
    who = call(crowded, scope, OWNER)
    tree = compile_filter(parse_filter(expression), FILTERS, filter_context(who, who.now))
    question = Question(crowded, "stage", tree, who.reach("opportunities", "READ"), "USD")
    values = {
        "tenant_id": crowded,
        "rank_currency": "USD",
        **tree.values,
        **reach_values(question.reach),
    }
    run = SumsReader().statement(question)
    async with database.transaction(crowded) as tx:
        plan = await plan_of(tx, run.sql, run.arguments(values))
    assert f"ix_opportunity_fact_{index}" in plan
    assert "Seq Scan" not in plan
