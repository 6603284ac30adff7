"""A consumer for tests: it counts per record in the database what it applies."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from nats.js.errors import NotFoundError

from chassis.db.pool import Tx
from chassis.events.consumer import Consumer, Mode, Source
from chassis.events.envelope import Event, to_message
from chassis.events.streams import stream_name
from chassis.events.worker import ConsumerWorker
from tests.integration.chassis.events.ground import APPLY, SERVICE, Ground, row_to_change

SOURCES = (Source(SERVICE, ("lead",)),)


@dataclass
class Tally:
    """A handler that counts per record in the database, and refuses some."""

    poison: set[str] = field(default_factory=set)
    hangs: set[str] = field(default_factory=set)
    pause_s: float = 0.0
    seen: list[tuple[str, int, str]] = field(default_factory=list)

    async def __call__(self, tx: Tx, events: Sequence[Event]) -> None:
        await asyncio.sleep(60 if self.hangs & {event.id for event in events} else self.pause_s)
        for event in events:
            if event.id in self.poison:
                raise ValueError("poison")
            values = {"tenant": event.tenant_id, "record": event.record_id}
            await tx.execute(APPLY, {**values, "at": event.version})
        self.seen += [(event.record_id, event.version, event.name) for event in events]


def consume(
    ground: Ground, handler: Tally, mode: Mode = Mode.NEWEST, **values: object
) -> ConsumerWorker:
    """A running consumer."""
    consumer = Consumer("sales-tally", SOURCES, handler, mode, **values)  # type: ignore[arg-type]  # settings by name
    worker = ConsumerWorker(
        ground.database,
        ground.bus,
        consumer,
        ground.consumer_metrics,
        ground.refill,
    )
    ground.run(worker.run())
    return worker


async def publish(ground: Ground, *rows: dict[str, object]) -> None:
    """Put events into the stream as they are, without the relay."""
    for row in rows:
        message = to_message(SERVICE, row_to_change(row))
        await ground.bus.jetstream.publish(
            message.subject, message.data, headers=dict(message.headers)
        )


async def republish(ground: Ground, row: dict[str, object]) -> None:
    """Put an event again, as after the broker's window for duplicates."""
    message = to_message(SERVICE, row_to_change(row))
    headers = {name: value for name, value in message.headers.items() if name != "Nats-Msg-Id"}
    await ground.bus.jetstream.publish(message.subject, message.data, headers=headers)


async def applied(ground: Ground) -> int:
    return await ground.count("SELECT coalesce(sum(applied), 0) FROM base.tally")


async def unacknowledged(ground: Ground) -> int:
    info = await ground.bus.jetstream.consumer_info(stream_name(SERVICE), "sales-tally")
    return (info.num_ack_pending or 0) + (info.num_pending or 0)


async def all_done(ground: Ground) -> bool:
    """Whether everything in the stream was handed out and acknowledged; the broker counts what has
    just come in as pending a moment later.
    """
    stream = await ground.bus.jetstream.stream_info(stream_name(SERVICE))
    try:
        info = await ground.bus.jetstream.consumer_info(stream_name(SERVICE), "sales-tally")
    except NotFoundError:
        return False
    handed_out = info.delivered.stream_seq if info.delivered else 0
    return handed_out >= stream.state.last_seq and await unacknowledged(ground) == 0
