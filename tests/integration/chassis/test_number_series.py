"""A series of numbers over two processes' pools: nobody gets a number twice, nobody waits."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.db.pool import Database
from chassis.ids import new_id
from chassis.number_series import BLOCK, BROUGHT_MAX, NumberSeries
from chassis.resource.resource import Row
from deploy.local.platform import Platform

AT_ONCE_S = 1.5  # less than the database waits for a lock
# What one of two processes does: takes so many numbers, or imports records with these.
STEP = st.tuples(
    st.integers(0, 1), st.integers(1, 120) | st.lists(st.integers(1, 300), min_size=1, max_size=5)
)
# Steps of a round are taken at the same time.
ROUNDS = st.lists(st.lists(STEP, min_size=1, max_size=6), min_size=1, max_size=5)


@pytest.fixture(scope="module")
async def pair(domain_platform: Platform) -> AsyncIterator[list[NumberSeries]]:
    """The same series as two processes have it."""
    urls = [domain_platform.database_url("customer", role) for role in ("runtime", "worker")]
    databases = [Database("customer", urls[0], urls[1]) for _ in range(2)]
    yield [NumberSeries(one, "customer", "C") for one in databases]
    for one in databases:
        await one.close()


async def numbered(series: NumberSeries, tenant_id: str, rows: list[Row]) -> list[str]:
    """The numbers that rows end up with, those refused left out."""
    async with series.database.transaction(tenant_id) as tx:
        errors = await series.give(tx, tenant_id, rows)
    return [str(row["number"]) for at, row in enumerate(rows) if at not in errors]


@settings(max_examples=25, deadline=None)
@given(rounds=ROUNDS)
async def test_interleaved_takers_never_get_a_number_twice(
    pair: list[NumberSeries], rounds: list[list[tuple[int, int | list[int]]]]
) -> None:
    tenant_id, taken, brought = new_id(), list[str](), set[str]()

    async def run(process: int, step: int | list[int]) -> None:
        if isinstance(step, int):
            rows: list[Row] = [{"number": None} for _ in range(step)]
            taken.extend(await numbered(pair[process], tenant_id, rows))
        else:
            kept: list[Row] = [{"number": pair[process].text(value)} for value in step]
            brought.update(await numbered(pair[process], tenant_id, kept))

    for steps in rounds:
        await asyncio.gather(*[run(process, step) for process, step in steps])
    assert len(set(taken)) == len(taken)
    assert not brought & set(taken)


async def test_numbers_rise_and_cost_a_statement_in_fifty(
    domain_platform: Platform, pair: list[NumberSeries]
) -> None:
    tenant_id, (one, other) = new_id(), pair
    first = [number for _ in range(60) for number in await one.take(tenant_id, 1)]
    assert first == list(range(1, 61))
    assert await last_of(domain_platform, tenant_id) == 2 * BLOCK
    assert await other.take(tenant_id, 120) == list(range(2 * BLOCK + 1, 2 * BLOCK + 121))
    assert await other.take(new_id(), 1) == [1]
    rows: list[Row] = [{"number": "C000900"}, {"number": None}, {"name": "no number"}]
    assert await numbered(other, tenant_id, rows[:2]) == ["C000900", "C000901"]
    assert await numbered(one, tenant_id, [{"number": None}]) == ["C000061"]
    async with other.database.transaction(tenant_id) as tx:
        assert await other.give(tx, tenant_id, rows[2:]) == {}
    assert rows[2] == {"name": "no number"}


async def test_numbers_of_other_kinds_are_nobody_elses_business(pair: list[NumberSeries]) -> None:
    tenant_id, one = new_id(), pair[0]
    strange = ["KH-7", "C7", "c000001", "C0000001", "000001", "C", "C\u0661\u0662\u0663456"]
    rows: list[Row] = [{"number": text} for text in [*strange, f"C{BROUGHT_MAX + 1}"]]
    assert await numbered(one, tenant_id, rows) == strange
    assert await one.take(tenant_id, 1) == [1]
    assert await numbered(one, tenant_id, [{"number": f"C{BROUGHT_MAX}"}]) != []


async def test_an_open_transaction_keeps_nobody_waiting(pair: list[NumberSeries]) -> None:
    tenant_id, (one, other) = new_id(), pair
    async with one.database.transaction(tenant_id) as tx:
        rows: list[Row] = [{"number": None}, {"number": "C000777"}]
        await one.give(tx, tenant_id, rows)
        assert rows[0]["number"] == "C000778"
        async with asyncio.timeout(AT_ONCE_S):
            assert await numbered(other, tenant_id, [{"number": None}]) == ["C000828"]


async def failing(
    series: NumberSeries, tenant_id: str, count: int, error: type[BaseException]
) -> None:
    """A transaction that takes numbers and fails."""
    async with series.database.transaction(tenant_id) as tx:
        await series.give(tx, tenant_id, [{"number": None} for _ in range(count)])
        assert await series.take(tenant_id, 1) == [count + 1]
        raise error


async def test_a_transaction_that_fails_gives_its_numbers_back(pair: list[NumberSeries]) -> None:
    tenant_id, other_id, one = new_id(), new_id(), pair[0]
    with pytest.raises(ValueError):  # noqa: PT011  # any error that is none of the connection
        await failing(one, tenant_id, 3, ValueError)
    assert await one.take(tenant_id, 4) == [1, 2, 3, 5]
    with pytest.raises(asyncio.CancelledError):
        await failing(one, other_id, 3, asyncio.CancelledError)
    assert await one.take(other_id, 1) == [5]


async def test_what_is_only_checked_takes_nothing(pair: list[NumberSeries]) -> None:
    tenant_id, one = new_id(), pair[0]
    rows: list[Row] = [{"number": None}, {"number": "C000500"}]
    async with one.database.transaction(tenant_id) as tx:
        tx.discard_if(only_validated=True)
        assert await one.give(tx, tenant_id, rows) == {}
    assert rows[0]["number"] is None
    assert await one.take(tenant_id, 1) == [1]
    async with one.database.transaction(tenant_id) as tx:
        tx.discard_if(only_validated=True)
        assert list(await one.give(tx, tenant_id, [{"number": "C000002"}])) == [0]


async def last_of(platform: Platform, tenant_id: str) -> int:
    """How far the series has come."""
    connection = await asyncpg.connect(platform.database_url("customer", "worker"))
    try:
        run = "SELECT last FROM number_series WHERE tenant_id = $1"
        return int(await connection.fetchval(run, tenant_id))
    finally:
        await connection.close()
