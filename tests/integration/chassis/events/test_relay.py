"""The relay on a real PostgreSQL and NATS: nothing lost, order per record, one leader."""

import asyncio
import random

from prometheus_client import CollectorRegistry

from chassis.events.metrics import RelayMetrics
from chassis.ids import new_id
from tests.integration.chassis.events.ground import Ground, change, ids, until
from tests.integration.chassis.events.reading import all_out, published


async def write_versions(ground: Ground, tenant: str, records: int, versions: int) -> list[str]:
    """Records changed several times each, in transactions of random length."""
    written: list[str] = []
    names = [new_id() for _ in range(records)]
    for version in range(1, versions + 1):
        for record in names:
            row = change(tenant, record, version, lane=random.choice((0, 1)))
            await ground.write(row, tenant=tenant)
            written += ids([row])
            await asyncio.sleep(random.uniform(0, 0.004))
    return written


def assert_ordered(found: list[tuple[str, str, int]]) -> None:
    last: dict[str, int] = {}
    for _event, record, version in found:
        assert version == last.get(record, 0) + 1
        last[record] = version


async def test_relay_loses_nothing_with_concurrent_writers(ground: Ground) -> None:
    ground.relay()
    tenants = [new_id() for _ in range(5)]
    written = await asyncio.gather(*(write_versions(ground, each, 6, 5) for each in tenants))
    everything = {event for each in written for event in each}
    await until(lambda: all_out(ground))
    found = await published(ground)
    assert {event for event, _record, _version in found} == everything
    assert len(found) == 150
    assert_ordered(found)


async def test_relay_has_one_leader(ground: Ground) -> None:
    relays = [ground.relay(), ground.relay()]
    await until(lambda: any(relay.leads for relay in relays))
    await asyncio.sleep(0.3)
    assert sum(relay.leads for relay in relays) == 1
    first = next(relay for relay in relays if relay.leads)
    second = next(relay for relay in relays if not relay.leads)
    first.stop()
    await until(lambda: second.leads, 4)
    tenant = new_id()
    await ground.write(change(tenant, new_id(), 1), tenant=tenant)
    await until(lambda: all_out(ground))


async def test_a_relay_that_stands_by_tells_no_age(ground: Ground) -> None:
    leader = ground.relay()
    await until(lambda: leader.leads)
    registry = CollectorRegistry()
    metrics = RelayMetrics(registry)
    metrics.unpublished_age.set(99)  # as it was when it led last
    ground.relay(metrics)
    await until(lambda: registry.get_sample_value("crm_relay_unpublished_age_seconds") == 0)
    assert leader.leads
