"""Keeps a service's access current: a durable consumer fills the replica, a feed tells
every process.
"""

from collections.abc import Sequence

from chassis.access.model import AccessRecord
from chassis.access.source import AccessSource, keep_records
from chassis.db.pool import Tx
from chassis.events.bus import Bus
from chassis.events.consumer import Consumer, Source
from chassis.events.envelope import Event
from chassis.events.feed import Feed, Told
from chassis.events.streams import stream_name

KINDS = ("tenant", "user", "api_client", "department", "role")
SOURCE = Source("identity", KINDS)


def access_consumer(service: str) -> Consumer:
    """The consumer that keeps the service's access records."""

    async def handle(tx: Tx, events: Sequence[Event]) -> None:
        tenants: dict[str, list[AccessRecord]] = {}
        for event in events:
            gone = {"delete_time": str(event.time)} if event.name == "purged" else {}
            data = {**event.data, **gone}
            record = AccessRecord(event.resource, event.record_id, event.version, data)
            tenants.setdefault(event.tenant_id, []).append(record)
        for tenant_id, records in sorted(tenants.items()):
            await keep_records(tx, tenant_id, records)

    return Consumer(f"{service}-access", (SOURCE,), handle)


def access_feed(bus: Bus, access: AccessSource) -> Feed:
    """The feed by which this process forgets what has changed."""

    def on_message(told: Told) -> None:
        access.forget(told.subject.split(".")[1])

    def on_gap(_: int) -> None:
        access.forget_all()

    return Feed(bus, stream_name("identity"), on_message, on_gap, SOURCE.subjects())
