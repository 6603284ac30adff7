"""Boot by snapshot, then events: killed in the middle, nothing twice, nothing overwritten."""

from collections.abc import AsyncIterator, Sequence

import pytest

from chassis.db.pool import Tx
from chassis.events import boot as boot_module
from chassis.events.boot import Boot
from chassis.events.change_service import stream_snapshot
from chassis.events.consumer import Consumer, Mode
from chassis.events.envelope import SNAPSHOT
from chassis.events.streams import ensure_stream, stream_config
from chassis.events.worker import ConsumerWorker
from chassis.ids import new_id
from crm.event.v1 import change_pb2
from tests.integration.chassis.events.ground import SERVICE, Ground, change, until
from tests.integration.chassis.events.tally import SOURCES, Tally, all_done, publish


class Producer:
    """Rows of two tenants; its stream dies after some rows when told to."""

    def __init__(self, ground: Ground, count: int) -> None:
        self._ground = ground
        tenants = sorted(new_id() for _ in range(2))
        rows = [
            change_pb2.RecordState(
                tenant_id=tenants[n % 2], id=new_id(), version=3, data=b'{"name": "x"}'
            )
            for n in range(count)
        ]
        self.rows = sorted(rows, key=lambda row: (row.tenant_id, row.id))
        self.dies_after = -1
        self.sent = 0

    async def page(
        self, _tx: Tx, after: tuple[str, str] | None, limit: int
    ) -> Sequence[change_pb2.RecordState]:
        rest = [row for row in self.rows if after is None or (row.tenant_id, row.id) > after]
        return rest[:limit]

    async def snapshot(
        self, _service: str, resource: str, after: str
    ) -> AsyncIterator[change_pb2.RecordState]:
        request = change_pb2.StreamSnapshotRequest(resource=resource, after=after)
        sources = {"lead": self.page}
        async for state in stream_snapshot(self._ground.database, sources, request):
            if self.sent == self.dies_after:
                raise KeyboardInterrupt
            self.sent += 1
            yield state


def worker(ground: Ground, tally: Tally) -> ConsumerWorker:
    consumer = Consumer("sales-tally", SOURCES, tally, Mode.ORDERED)
    metrics = ground.consumer_metrics
    return ConsumerWorker(ground.database, ground.bus, consumer, metrics, ground.refill)


async def test_boot_goes_on_after_a_kill(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot_module, "PAGE", 50)
    await ensure_stream(ground.bus, stream_config(SERVICE))
    producer, tally = Producer(ground, 230), Tally()
    booted = worker(ground, tally)
    await booted.declare()
    boot = Boot(ground.database, booted.consumer, booted.applier, producer.snapshot)
    producer.dies_after = 120
    with pytest.raises(KeyboardInterrupt):
        await boot.run()
    first = producer.rows[0]
    newer = change(first.tenant_id, first.id, 4)
    older = change(first.tenant_id, first.id, 3)
    await publish(ground, older, newer)
    producer.dies_after = -1
    await boot.run()
    assert producer.sent == 120 + 130, "the first hundred rows are not sent again"
    assert len({record for record, _version, _name in tally.seen}) == 230
    ground.run(booted.run())
    await until(lambda: all_done(ground))
    assert [item for item in tally.seen if item[0] == first.id] == [
        (first.id, 3, SNAPSHOT),
        (first.id, 4, "updated"),
    ]
    await boot.run()
    assert producer.sent == 250, "a boot is done once"


async def test_snapshot_does_not_overwrite_newer(ground: Ground) -> None:
    await ensure_stream(ground.bus, stream_config(SERVICE))
    producer, tally = Producer(ground, 2), Tally()
    row = producer.rows[0]
    early = worker(ground, tally)
    ground.run(early.run())
    await publish(ground, *(change(row.tenant_id, row.id, version) for version in range(1, 6)))
    await until(lambda: len(tally.seen) == 5)
    await Boot(ground.database, early.consumer, early.applier, producer.snapshot).run()
    assert [version for record, version, _name in tally.seen if record == row.id] == [1, 2, 3, 4, 5]
    assert len(tally.seen) == 6
