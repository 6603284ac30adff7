"""While a rebuild is at work reports and events go on, and a killed one leaves nothing behind."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import func, select

from chassis.db.pool import Database
from chassis.db.sql import statement
from chassis.errors import FailedPrecondition
from chassis.ids import new_id
from crm.event.v1.change_pb2 import RecordState
from services.reporting.methods import rebuild as module
from services.reporting.methods.rebuild import Rebuilt, States, rebuild
from services.reporting.models.opportunity_fact import rebuilt_fact
from tests.integration.reporting.ground import call, event, feed, summary
from tests.integration.reporting.test_rebuild import (
    AMOUNTS,
    SPOIL,
    amounts,
    data,
    made,
    record,
    snapshot,
    state,
)

BUILT = statement(select(func.count().label("built")).select_from(rebuilt_fact))


async def built(database: Database) -> int:
    """How many facts lie beside the live ones."""
    async with database.worker() as tx:
        row = await tx.fetch_row(BUILT, {})
    assert row is not None
    return int(row["built"])


def interrupted(at: int, states: list[RecordState], work: Callable[[], Awaitable[None]]) -> States:
    """The rows, with something done before the one at that place."""

    async def read(_after: str) -> AsyncIterator[RecordState]:
        for number, one in enumerate(states):
            if number == at:
                await work()
            yield one

    return read


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few records are many pages and pieces."""
    monkeypatch.setattr(module, "PAGE", 2)
    monkeypatch.setattr(module, "PIECE", 3)
    monkeypatch.setattr(module, "TOLD_EVERY", 4)


async def test_reports_and_events_go_on_beside_a_rebuild(
    database: Database, tenant: str, small_pages: None
) -> None:
    numbers, created = list(range(10, 20)), new_id()
    await made(database, tenant, *numbers)
    async with database.transaction(tenant) as tx:
        await tx.execute(SPOIL, {"tenant_id": tenant, "of_id": record(11)})
    shown: list[int] = []

    async def meanwhile() -> None:
        shown.append(await built(database))
        groups = await summary(database, call(tenant), "stage")
        shown.extend(group.count for group in groups.values())
        assert (await amounts_of(database, tenant))[record(11)] == "11.50"
        await feed(
            database, tenant,
            event(tenant, "opportunity", record(10), 2, "updated", **data(10, "99.00")),
            event(tenant, "opportunity", created, 1, "created",
                  **data(0, "7.00") | {"id": created, "create_time": "2999-01-01T00:00:00Z"}),
        )  # fmt: skip

    lines: list[str] = []
    states = [state(tenant, number) for number in numbers]
    done = await rebuild(database, interrupted(7, states, meanwhile), lines.append)
    assert shown == [6, 10]
    assert (done.compared, done.repaired) == (10, 1)
    wanted = {record(number): "10.50" for number in numbers}
    assert await amounts(database, tenant) == wanted | {record(10): "99.00", created: "7.00"}
    assert [line.split(" of about")[0] for line in lines] == ["4", "8"]
    assert await built(database) == 0


async def amounts_of(database: Database, tenant: str) -> dict[str, str]:
    """Amount by opportunity, whatever the sums are."""
    async with database.transaction(tenant) as tx:
        rows = await tx.fetch(AMOUNTS, {"tenant_id": tenant})
    return {str(row["id"]): str(row["amount"]) for row in rows}


async def test_a_killed_rebuild_changes_nothing_and_the_next_one_is_whole(
    database: Database, tenant: str, small_pages: None
) -> None:
    numbers = list(range(10, 20))
    await made(database, tenant, *numbers, 21)

    async def die() -> None:
        raise RuntimeError("killed")

    states = [state(tenant, number, 2, "20.00") for number in numbers]
    with pytest.raises(RuntimeError):
        await rebuild(database, interrupted(9, states, die))
    assert await built(database) == 8
    assert await amounts(database, tenant) == {record(n): "10.50" for n in (*numbers, 21)}
    # What has changed since is not taken from what the killed one has left.
    newer = [state(tenant, number, 3, "30.00") for number in numbers]
    done = await rebuild(database, snapshot(*newer))
    assert done == Rebuilt(10, 10, done.removed)
    assert await amounts(database, tenant) == {record(n): "30.00" for n in numbers}
    assert await built(database) == 0


async def test_a_second_rebuild_is_refused(database: Database, tenant: str) -> None:
    refused: list[str] = []

    async def another() -> None:
        with pytest.raises(FailedPrecondition) as error:
            await rebuild(database, snapshot())
        refused.append(error.value.reason)

    await rebuild(database, interrupted(0, [state(tenant, 10)], another))
    assert refused == ["REBUILD_RUNNING"]
    assert await amounts(database, tenant) == {record(10): "10.50"}
