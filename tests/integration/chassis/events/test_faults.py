"""What breaks: the broker killed, its stream deleted, messages lost, events refused."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from chassis.events import audit as audit_module
from chassis.events import loop
from chassis.events.audit import audit
from chassis.events.consumer import Mode
from chassis.events.parked import list_parked
from chassis.events.streams import ensure_stream, stream_config, stream_name
from chassis.ids import new_id
from tests.integration.chassis.events.ground import SERVICE, Ground, change, ids, until
from tests.integration.chassis.events.reading import all_out, published
from tests.integration.chassis.events.tally import Tally, all_done, applied, consume, publish


async def test_relay_survives_kill_of_the_broker(ground: Ground) -> None:
    relay = ground.relay()
    await until(lambda: relay.leads)
    tenant = new_id()
    rows = [change(tenant, new_id(), 1, lane=1) for _ in range(3000)]
    await ground.write(*rows, tenant=tenant)
    await until(lambda: some_out(ground))
    ground.platform.kill("nats")
    late = change(tenant, new_id(), 1)
    await ground.write(late, tenant=tenant)
    await asyncio.to_thread(ground.platform.start, "nats")
    took = await until(lambda: all_out(ground), 15)
    assert took < 10
    found = await published(ground)
    assert {event for event, _record, _version in found} == {*ids(rows), *ids([late])}


async def some_out(ground: Ground) -> bool:
    return await ground.unpublished() < 3000


async def test_deleted_stream_is_published_again(ground: Ground) -> None:
    relay = ground.relay()
    await until(lambda: relay.leads)
    tally = Tally()
    consume(ground, tally, Mode.ORDERED)
    tenant, record = new_id(), new_id()
    rows = [change(tenant, record, version) for version in range(1, 21)]
    await ground.write(*rows[:10], tenant=tenant)
    await until(lambda: all_out(ground))
    await ground.bus.jetstream.delete_stream(stream_name(SERVICE))
    await ground.write(*rows[10:], tenant=tenant)
    await until(lambda: all_out(ground))
    assert sorted(event for event, _r, _v in await published(ground)) == sorted(ids(rows))
    await until(lambda: len(tally.seen) >= 20, 20)
    await until(lambda: all_done(ground))
    assert [version for _record, version, _name in tally.seen] == list(range(1, 21))
    assert await applied(ground) == 20


async def test_audit_finds_lost_messages(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "SETTLED", timedelta(0))
    relay = ground.relay()
    await until(lambda: relay.leads)
    tenant = new_id()
    rows = [change(tenant, new_id(), 1) for _ in range(20)]
    await ground.write(*rows, tenant=tenant)
    await until(lambda: all_out(ground))
    since = datetime.now(UTC) - timedelta(minutes=5)
    assert await audit(ground.database, ground.bus, SERVICE, since) == audit_module.Audit(20, 0)
    relay.stop()
    for sequence in (3, 7, 20):
        await ground.bus.jetstream.delete_msg(stream_name(SERVICE), sequence)
    found = await audit(ground.database, ground.bus, SERVICE, since)
    assert (found.checked, found.missing) == (20, 3)
    assert await ground.unpublished() == 3


async def test_refused_event_is_parked_and_others_go_on(ground: Ground) -> None:
    relay = ground.relay()
    await until(lambda: relay.leads)
    tenant = new_id()
    huge = change(tenant, new_id(), 1, representation='{"name": "' + "x" * 270000 + '"}')
    rows = [change(tenant, new_id(), 1) for _ in range(30)]
    await ground.write(*rows[:15], huge, *rows[15:], tenant=tenant)
    await until(lambda: all_out(ground))
    (parked,) = await list_parked(ground.database)
    assert (parked.consumer, parked.event_id) == ("relay", huge["p_id"])
    assert len(await published(ground)) == 30
    since = datetime.now(UTC) - timedelta(minutes=5)
    assert (await audit(ground.database, ground.bus, SERVICE, since)).missing == 0


async def test_interactive_change_waits_for_its_bulk_predecessor(ground: Ground) -> None:
    tenant, record = new_id(), new_id()
    bulk = [change(tenant, new_id(), 1, lane=1) for _ in range(1200)]
    first = change(tenant, record, 1, lane=1)
    second = change(tenant, record, 2)
    await ground.write(*bulk, first, tenant=tenant)
    await ground.write(second, tenant=tenant)
    ground.relay()
    await until(lambda: all_out(ground))
    found = await published(ground)
    places = [place for place, item in enumerate(found) if item[1] == record]
    assert [found[place][2] for place in places] == [1, 2]
    assert places[1] < 10, "an interactive change must not wait for the import"


async def test_tenants_share_the_bulk_lane(ground: Ground) -> None:
    big, small = new_id(), new_id()
    await ground.write(*(change(big, new_id(), 1, lane=1) for _ in range(2000)), tenant=big)
    own = change(small, new_id(), 1, lane=1)
    await ground.write(own, tenant=small)
    ground.relay()
    await until(lambda: all_out(ground))
    found = [event for event, _record, _version in await published(ground)]
    assert found.index(str(own["p_id"])) < 600


async def test_relay_that_loses_its_lock_steps_back(ground: Ground) -> None:
    relays = [ground.relay(), ground.relay()]
    await until(lambda: any(relay.leads for relay in relays))
    tenant = new_id()
    rows = [change(tenant, new_id(), 1) for _ in range(300)]
    for start in range(0, 300, 100):
        await ground.write(*rows[start : start + 100], tenant=tenant)
        await ground.count(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'sales-worker'",
            admin=True,
        )
        await asyncio.sleep(0.1)
    await until(lambda: all_out(ground))
    assert sorted(event for event, _r, _v in await published(ground)) == sorted(ids(rows))
    assert sum(relay.leads for relay in relays) == 1


async def test_hanging_handler_is_parked(
    ground: Ground, short_naks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "HANDLE_TIMEOUT_S", 0.1)
    await ensure_stream(ground.bus, stream_config(SERVICE))
    tenant = new_id()
    bad, good = change(tenant, new_id(), 1), change(tenant, new_id(), 1)
    tally = Tally(hangs={str(bad["p_id"])})
    consume(ground, tally)
    await publish(ground, bad, good)
    await until(lambda: all_done(ground))
    assert [each.event_id for each in await list_parked(ground.database)] == [bad["p_id"]]
    assert [record for record, _version, _name in tally.seen] == [good["p_record_id"]]
