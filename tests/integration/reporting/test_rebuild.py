"""A rebuild makes facts and sums what sales has, beside events that come meanwhile."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import grpc
import orjson
import pytest
from sqlalchemy import BindParameter, bindparam, delete, select

from chassis.db.pool import Database
from chassis.db.sql import statement
from crm.event.v1.change_pb2 import RecordState
from services.reporting.methods import rebuild as module
from services.reporting.methods.rebuild import Rebuilt, rebuild
from services.reporting.methods.recompute import recompute
from services.reporting.models.opportunity_fact import opportunity_fact as facts
from services.reporting.models.pipeline_rollup import pipeline_rollup as rollup
from tests.integration.reporting.ground import event, feed, money

OLD = "2017-01-01T00:00:00Z"
OF_TENANT: BindParameter[str] = bindparam("tenant_id")
AMOUNTS = statement(select(facts.c.id, facts.c.amount).where(facts.c.tenant_id == OF_TENANT))
SPOIL = statement(
    facts.update()
    .values(amount=facts.c.amount + 1)
    .where(facts.c.tenant_id == OF_TENANT, facts.c.id == bindparam("of_id"))
)
LOSE = statement(
    delete(facts).where(facts.c.tenant_id == OF_TENANT, facts.c.id == bindparam("of_id"))
)
LOSE_SUMS = statement(delete(rollup).where(rollup.c.tenant_id == OF_TENANT))


def record(number: int) -> str:
    return str(UUID(int=number))


def data(number: int, amount: str = "10.50") -> dict[str, object]:
    """An opportunity as sales tells it."""
    return {
        "id": record(number), "name": f"商机 {number}", "state": "OPEN", "stage_id": record(1),
        "owner_id": record(2), "amount": money(amount), "expected_close_date": "2017-03-31",
        "create_time": OLD, "update_time": OLD,
    }  # fmt: skip


def snapshot(
    *states: RecordState, broken_after: int = -1
) -> Callable[[str], AsyncIterator[RecordState]]:
    """Sales' rows by tenant and id; the first call may run into its deadline."""
    left = [broken_after]

    async def read(after: str) -> AsyncIterator[RecordState]:
        for state in states:
            if f"{state.tenant_id}/{state.id}" <= after:
                continue
            if left[0] == 0:
                left[0] = -1
                nothing = grpc.aio.Metadata()
                raise grpc.aio.AioRpcError(
                    grpc.StatusCode.DEADLINE_EXCEEDED, nothing, nothing, None, None
                )
            left[0] -= 1
            yield state

    return read


def state(tenant: str, number: int, version: int = 1, amount: str = "10.50") -> RecordState:
    told = orjson.dumps(data(number, amount))
    return RecordState(tenant_id=tenant, id=record(number), version=version, data=told)


async def amounts(database: Database, tenant: str) -> dict[str, str]:
    """Amount by opportunity; asserts that the sums are right."""
    async with database.transaction(tenant) as tx:
        assert await recompute(tx, tenant, check=True) == {}
        rows = await tx.fetch(AMOUNTS, {"tenant_id": tenant})
    return {str(row["id"]): str(row["amount"]) for row in rows}


async def made(database: Database, tenant: str, *numbers: int) -> None:
    """Facts as the consumer writes them."""
    events = [event(tenant, "opportunity", record(n), 1, "created", **data(n)) for n in numbers]
    await feed(database, tenant, *events)


async def test_right_facts_stay_untouched(database: Database, tenant: str) -> None:
    await made(database, tenant, 10, 11)
    done = await rebuild(database, snapshot(state(tenant, 10), state(tenant, 11)))
    assert (done.compared, done.repaired) == (2, 0)


async def test_wrong_missing_and_foreign_facts_are_put_right(
    database: Database, tenant: str
) -> None:
    await made(database, tenant, 10, 11, 12, 13, 14)
    async with database.transaction(tenant) as tx:
        await tx.execute(SPOIL, {"tenant_id": tenant, "of_id": record(10)})
        await tx.execute(LOSE, {"tenant_id": tenant, "of_id": record(11)})
        await tx.execute(LOSE_SUMS, {"tenant_id": tenant})
    # 12 is nobody's, in the middle; 14 is nobody's, at the end.
    done = await rebuild(database, snapshot(*(state(tenant, n) for n in (10, 11, 13))))
    assert (done.compared, done.repaired) == (3, 2)
    assert done.removed >= 2  # other tests' tenants are nobody's, too
    assert await amounts(database, tenant) == {record(n): "10.50" for n in (10, 11, 13)}


async def test_newer_facts_and_tombstones_stay(database: Database, tenant: str) -> None:
    await made(database, tenant, 10, 11)
    newer = data(10, "99.00")
    await feed(
        database, tenant,
        event(tenant, "opportunity", record(10), 2, "updated", **newer),
        event(tenant, "opportunity", record(11), 2, "purged"),
    )  # fmt: skip
    done = await rebuild(database, snapshot(state(tenant, 10)))
    assert done.repaired == 0
    assert await amounts(database, tenant) == {record(10): "99.00", record(11): "None"}


async def test_older_facts_are_brought_forward(database: Database, tenant: str) -> None:
    await made(database, tenant, 10)
    await rebuild(database, snapshot(state(tenant, 10, version=3, amount="30.00")))
    assert await amounts(database, tenant) == {record(10): "30.00"}


async def test_rebuild_fills_many_tenants_over_pages_and_deadlines(
    database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 3)
    tenants = sorted([tenant, str(uuid4()), str(uuid4())])
    states = [state(one, n) for one in tenants for n in range(10, 17)]
    patience = snapshot(*states, broken_after=9)
    done = await rebuild(database, patience)
    assert done == Rebuilt(compared=21, repaired=21, removed=done.removed)
    for one in tenants:
        assert await amounts(database, one) == {record(n): "10.50" for n in range(10, 17)}
