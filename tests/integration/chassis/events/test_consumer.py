"""Consumers on a real PostgreSQL and NATS: applied once, in order, gaps filled, poison parked."""

import asyncio

from nats.js import api

from chassis.events.consumer import Consumer, Mode, ensure_consumer
from chassis.events.envelope import SNAPSHOT
from chassis.events.parked import list_parked, replay_parked
from chassis.events.streams import ensure_stream, stream_config, stream_name
from chassis.ids import new_id
from tests.integration.chassis.events.ground import SERVICE, Ground, change, until
from tests.integration.chassis.events.tally import (
    SOURCES,
    Tally,
    all_done,
    applied,
    consume,
    publish,
    republish,
)


async def test_consumer_applies_duplicates_once(ground: Ground) -> None:
    await ensure_stream(ground.bus, stream_config(SERVICE))
    tenant, record = new_id(), new_id()
    rows = [change(tenant, record, version) for version in range(1, 6)]
    await publish(ground, *rows)
    for row in [*rows, *rows, *reversed(rows)]:
        await republish(ground, row)
    consume(ground, Tally())
    await until(lambda: all_done(ground))
    assert await applied(ground) == 5
    assert await ground.count("SELECT count(*) FROM base.inbox") == 5


async def test_ordered_consumer_applies_shuffled_versions_in_order(ground: Ground) -> None:
    await ensure_stream(ground.bus, stream_config(SERVICE))
    tenant, records = new_id(), [new_id(), new_id()]
    tally = Tally()
    consume(ground, tally, Mode.ORDERED)
    rows = {v: [change(tenant, record, v) for record in records] for v in range(1, 7)}
    for version in (3, 1, 2, 6, 5, 4):
        await publish(ground, *rows[version])
        await asyncio.sleep(0.05)
    await until(lambda: all_done(ground))
    for record in records:
        assert [v for r, v, _name in tally.seen if r == record] == [1, 2, 3, 4, 5, 6]


async def test_ordered_consumer_refills_a_gap(ground: Ground) -> None:
    await ensure_stream(ground.bus, stream_config(SERVICE))
    tenant, record = new_id(), new_id()
    rows = [change(tenant, record, version) for version in range(1, 5)]
    await ground.write(*rows, tenant=tenant)
    tally = Tally()
    consume(ground, tally, Mode.ORDERED, gap_wait_s=0.5)
    await publish(ground, rows[0], rows[3])
    await until(lambda: all_done(ground))
    names = [(1, "created"), (2, "updated"), (3, "updated"), (4, "updated")]
    assert tally.seen == [(record, version, name) for version, name in names]


async def test_ordered_consumer_takes_the_state_when_nobody_has_the_versions(
    ground: Ground,
) -> None:
    await ensure_stream(ground.bus, stream_config(SERVICE))
    tenant, record = new_id(), new_id()
    tally = Tally()
    consume(ground, tally, Mode.ORDERED, gap_wait_s=0.3)
    await publish(ground, change(tenant, record, 7), change(tenant, record, 8))
    await until(lambda: all_done(ground))
    assert tally.seen == [(record, 7, SNAPSHOT), (record, 8, "updated")]


async def parked_count(ground: Ground, count: int) -> bool:
    return await ground.count("SELECT count(*) FROM base.parked") == count


async def test_poison_is_parked_and_its_record_frozen(ground: Ground, short_naks: None) -> None:
    await ensure_stream(ground.bus, stream_config(SERVICE))
    tenant, poisoned, others = new_id(), new_id(), [new_id() for _ in range(5)]
    bad = [change(tenant, poisoned, version) for version in (1, 2, 3)]
    tally = Tally({str(bad[1]["p_id"])})
    worker = consume(ground, tally, Mode.ORDERED)
    await publish(ground, *bad, *(change(tenant, other, 1) for other in others))
    took = await until(lambda: len(tally.seen) >= 6)
    await until(lambda: all_done(ground))
    assert took < 5, "others must not wait for the poison"
    parked = await list_parked(ground.database)
    assert [(each.record_id, each.version) for each in parked] == [(poisoned, 2), (poisoned, 3)]
    await publish(ground, change(tenant, poisoned, 4))
    await until(lambda: parked_count(ground, 3))
    done, failed = await replay_parked(ground.database, {"sales-tally": worker.applier})
    assert (done, len(failed)) == (0, 1)
    tally.poison.clear()
    assert await replay_parked(ground.database, {"sales-tally": worker.applier}) == (3, [])
    assert [v for r, v, _name in tally.seen if r == poisoned] == [1, 2, 3, 4]
    assert await ground.count("SELECT count(*) FROM base.parked") == 0


async def test_unreadable_message_is_parked(ground: Ground, short_naks: None) -> None:
    await ensure_stream(ground.bus, stream_config(SERVICE))
    tenant = new_id()
    consume(ground, Tally())
    await ground.bus.jetstream.publish(f"crm.{tenant}.{SERVICE}.00.lead.created", b"what")
    await publish(ground, change(tenant, new_id(), 1))
    await until(lambda: all_done(ground))
    (parked,) = await list_parked(ground.database)
    assert "unreadable" in parked.reason
    assert await applied(ground) == 1


async def test_consumer_declaration_is_compared(ground: Ground) -> None:
    await ensure_stream(ground.bus, stream_config(SERVICE))
    handler = Tally()
    await ensure_consumer(ground.bus, Consumer("sales-tally", SOURCES, handler), SOURCES[0])
    changed = Consumer("sales-tally", SOURCES, handler, ack_wait_s=20, acks_pending_max=100)
    await ensure_consumer(ground.bus, changed, SOURCES[0])
    info = await ground.bus.jetstream.consumer_info(stream_name(SERVICE), "sales-tally")
    assert (info.config.ack_wait, info.config.max_ack_pending) == (20, 100)
    assert info.config.ack_policy == api.AckPolicy.EXPLICIT


async def test_killed_consumer_applies_everything_once(ground: Ground) -> None:
    await ensure_stream(ground.bus, stream_config(SERVICE))
    tenants = [new_id(), new_id()]
    slow = Tally(pause_s=0.2)
    consume(ground, slow, ack_wait_s=1.0)
    rows = [change(tenant, new_id(), 1) for tenant in tenants for _ in range(20)]
    await publish(ground, *rows)
    await until(lambda: len(slow.seen) > 0)
    ground.tasks.pop().cancel()
    tally = Tally()
    consume(ground, tally, ack_wait_s=1.0)
    await until(lambda: all_done(ground), 15)
    assert await applied(ground) == 40


async def test_consumer_waits_while_the_database_is_away(ground: Ground) -> None:
    await ensure_stream(ground.bus, stream_config(SERVICE))
    tenant = new_id()
    tally = Tally()
    consume(ground, tally)
    await publish(ground, change(tenant, new_id(), 1))
    await until(lambda: len(tally.seen) == 1)
    ground.platform.kill("postgres")
    await publish(ground, *(change(tenant, new_id(), 1) for _ in range(10)))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(ground.platform.start, "postgres")
    await until(lambda: len(tally.seen) == 11)
    await until(lambda: all_done(ground))
    assert await applied(ground) == 11
    assert await list_parked(ground.database) == []


async def test_deadly_message_does_not_count_for_its_neighbours(ground: Ground) -> None:
    """A process dies over one message again and again: those that came with it are not parked."""
    await ensure_stream(ground.bus, stream_config(SERVICE))
    tenant = new_id()
    rows = [change(tenant, new_id(), 1) for _ in range(10)]
    deadly = str(rows[4]["p_id"])
    await publish(ground, *rows)
    tally = Tally(hangs={deadly})
    for _ in range(9):
        consume(ground, tally, ack_wait_s=0.3)
        await asyncio.sleep(0.5)
        ground.tasks.pop().cancel()
    consume(ground, tally, ack_wait_s=0.3)
    await until(lambda: all_done(ground))
    assert [each.event_id for each in await list_parked(ground.database)] == [deadly]
    assert await applied(ground) == 9
