"""References, changes for a gap, and clearing what has had its time."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.errors import InvalidArgument, NotFound
from chassis.events.change_service import list_changes, stream_snapshot
from chassis.events.envelope import Event
from chassis.events.housekeeping import drop_representations, purge_idempotency, purge_inbox
from chassis.events.references import Projection, reference_handler
from chassis.ids import new_id
from crm.event.v1 import change_pb2
from tests.integration.chassis.events.ground import Ground, change


def told(tenant: str, record: str, version: int, event: str, **data: object) -> Event:
    now = datetime.now(UTC)
    return Event(
        new_id(), tenant, "customer", "company", event, record, version, now, "", "", "", data
    )


async def test_reference_keeps_the_newest(ground: Ground) -> None:
    handle = reference_handler({"company": Projection("companies", fields=("level",))})
    tenant, record = new_id(), new_id()
    events = [
        told(tenant, record, 2, "updated", name="New", level="A", secret="x"),
        told(tenant, record, 1, "created", name="Old", level="B"),
        told(tenant, new_id(), 3, "deleted", name="Gone"),
    ]
    async with ground.database.transaction(tenant) as tx:
        await handle(tx, events)
    connection = await ground.owner()
    rows = await connection.fetch(
        "SELECT resource, label, version, data, delete_time FROM base.reference ORDER BY version"
    )
    await connection.close()
    assert {r["resource"] for r in rows} == {"companies"}
    assert [(r["label"], r["version"], r["data"]) for r in rows] == [
        ("New", 2, '{"level": "A"}'),
        ("Gone", 3, "{}"),
    ]
    assert [r["delete_time"] is None for r in rows] == [True, False]


async def test_list_changes_returns_the_versions_after(ground: Ground) -> None:
    tenant, record = new_id(), new_id()
    await ground.write(*(change(tenant, record, version) for version in (1, 2, 3)), tenant=tenant)
    found = await ground.refill("sales", "lead", tenant, record, 1)
    assert [event.version for event in found] == [2, 3]
    assert found[0].data["changes"] == {"name": {"from": None, "to": "Lead 2"}}
    assert await ground.refill("sales", "lead", new_id(), record, 0) == []
    with pytest.raises(InvalidArgument):
        await list_changes(ground.database, "sales", change_pb2.ListChangesRequest(id="x"))
    request = change_pb2.StreamSnapshotRequest(resource="nothing")
    with pytest.raises(NotFound):
        _ = [each async for each in stream_snapshot(ground.database, {}, request)]


SEEN = "INSERT INTO inbox (tenant_id, consumer, event_id, create_time) VALUES ($1, 'c', $2, $3)"
KEY = (
    "INSERT INTO idempotency (tenant_id, principal_id, method, key, fingerprint, record_id,"
    " version, create_time) VALUES ($1, 'p', 'm', 'k' || $2, '', $2::uuid, 1, $3)"
)


async def test_housekeeping_clears_only_what_is_old(ground: Ground) -> None:
    now = datetime.now(UTC)
    tenant = new_id()
    async with ground.database.transaction(tenant) as tx:
        for days in (0, 31):
            for query in (SEEN, KEY):
                await tx.connection.execute(query, tenant, new_id(), now - timedelta(days=days))
    ages = [timedelta(days=days) for days in (1, 31, 31)]
    rows = [change(tenant, new_id(), 1, create_time=now - age) for age in ages]
    await ground.write(*rows, tenant=tenant)
    connection = await ground.owner()
    await connection.execute("UPDATE base.change SET publish_time = now()")
    await connection.close()
    assert await purge_inbox(ground.database, now) == 1
    assert await purge_idempotency(ground.database, now) == 1
    assert await drop_representations(ground.database, now) == 2
    assert await drop_representations(ground.database, now) == 0
