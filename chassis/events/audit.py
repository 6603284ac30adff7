"""The audit: what was published and is missing in the stream is published again."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from nats.js import api
from nats.js.errors import NotFoundError
from sqlalchemy import (
    ColumnElement,
    DateTime,
    any_,
    bindparam,
    exists,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.db.pool import Database, Record
from chassis.db.sql import statement
from chassis.events.bus import Bus
from chassis.events.streams import STREAM_AGE_MAX_S, stream_name
from chassis.events.tables import CHANGE, PARKED
from chassis.ids import new_id

BATCH = 1000
SLICE = timedelta(minutes=10)
CLOCKS_APART = timedelta(seconds=60)
SETTLED = timedelta(seconds=5)
# What is about to leave the stream by age is not missed.
WINDOW = timedelta(seconds=STREAM_AGE_MAX_S) - timedelta(hours=1)
READ_TIMEOUT_S = 2.0
RELAY = "relay"

log = structlog.get_logger()

_moment = DateTime(timezone=True)


def _published() -> ColumnElement[bool]:
    """Published changes made in a slice of time, without those that the broker refuses."""
    refused = exists().where(
        PARKED.c.tenant_id == CHANGE.c.tenant_id,
        PARKED.c.consumer == literal(RELAY),
        PARKED.c.event_id == CHANGE.c.id,
    )
    return (
        (CHANGE.c.create_time >= bindparam("since", type_=_moment))
        & (CHANGE.c.create_time < bindparam("before", type_=_moment))
        & (CHANGE.c.publish_time < bindparam("settled", type_=_moment))
        & ~refused
    )


_key = (CHANGE.c.tenant_id, CHANGE.c.id, CHANGE.c.create_time)
_PUBLISHED = statement(select(*_key, CHANGE.c.publish_time).where(_published()))
_AGAIN = statement(
    update(CHANGE)
    .values(publish_time=None)
    .where(
        CHANGE.c.tenant_id == bindparam("of_tenant", type_=UUID(as_uuid=False)),
        CHANGE.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
        CHANGE.c.create_time >= bindparam("since", type_=_moment),
        CHANGE.c.create_time < bindparam("before", type_=_moment),
    )
)
_ALL_AGAIN = statement(
    update(CHANGE)
    .values(publish_time=None)
    .where(tuple_(*_key).in_(select(*_key).where(_published()).limit(BATCH)))
)


@dataclass(frozen=True, slots=True)
class Audit:
    """How many published changes were looked for, and how many were missing."""

    checked: int
    missing: int


async def audit(database: Database, bus: Bus, service: str, since: datetime) -> Audit:
    """Compare what was published of the changes made since then with the stream.

    What is missing waits for the relay again. Raises the errors of database and broker.
    """
    now = datetime.now(UTC)
    start, checked, missing = max(since, now - WINDOW), 0, 0
    while start < now:
        before = min(start + SLICE, now)
        span = {"since": start, "before": before}
        async with database.worker() as tx:
            rows = await tx.fetch(_PUBLISHED, {**span, "settled": now - SETTLED})
        if rows:
            lost = await _lost(bus, service, rows)
            await _publish_again(database, lost, span)
            checked, missing = checked + len(rows), missing + len(lost)
        start = before
    if missing:
        log.error("events were missing in the stream", service=service, missing=missing)
    return Audit(checked, missing)


async def republish(database: Database, now: datetime) -> int:
    """Let everything of the stream's window be published again, for a stream that begins anew."""
    start, count = now - WINDOW, 0
    while start < now:
        values = {"since": start, "before": min(start + SLICE * 6, now), "settled": now}
        done = BATCH
        while done == BATCH:
            async with database.worker() as tx:
                done = await tx.execute(_ALL_AGAIN, values)
            count += done
        start = values["before"]
    return count


async def _lost(bus: Bus, service: str, rows: Sequence[Record]) -> list[Record]:
    """Those of the changes that the stream does not hold."""
    start = min(row["create_time"] for row in rows) - CLOCKS_APART
    end = max(row["publish_time"] for row in rows) + CLOCKS_APART
    wanted = {str(row["id"]): row for row in rows}
    name = f"audit-{new_id()}"
    stream = stream_name(service)
    try:
        await bus.jetstream.add_consumer(stream, _config(name, start))
    except NotFoundError:
        return list(rows)
    messages = await bus.jetstream.pull_subscribe_bind(consumer=name, stream=stream)
    try:
        while wanted:
            found = await messages.fetch(BATCH, timeout=READ_TIMEOUT_S)
            for message in found:
                wanted.pop((message.headers or {}).get("ce-id", ""), None)
            last = found[-1].metadata if found else None
            if last is None or last.num_pending == 0 or last.timestamp > end:
                break
    except TimeoutError:
        log.info("nothing more to read in the audit", service=service)
    finally:
        await asyncio.shield(messages.unsubscribe())  # the broker forgets the consumer by itself
    return list(wanted.values())


async def _publish_again(
    database: Database, lost: Sequence[Record], span: dict[str, datetime]
) -> None:
    tenants: dict[str, list[str]] = {}
    for row in lost:
        tenants.setdefault(str(row["tenant_id"]), []).append(str(row["id"]))
    async with database.worker() as tx:
        values = [{**span, "of_tenant": tenant, "ids": ids} for tenant, ids in tenants.items()]
        await tx.execute_many(_AGAIN, values)


def _config(name: str, start: datetime) -> api.ConsumerConfig:
    return api.ConsumerConfig(
        name=name,
        deliver_policy=api.DeliverPolicy.BY_START_TIME,
        opt_start_time=start,
        ack_policy=api.AckPolicy.NONE,
        headers_only=True,
        inactive_threshold=30,
        mem_storage=True,
        num_replicas=1,
    )
