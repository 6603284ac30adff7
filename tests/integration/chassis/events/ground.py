"""What the tests of events share: tables, a writer of changes, a broker to break."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg
import orjson
from nats.js.errors import NotFoundError
from prometheus_client import CollectorRegistry
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, bindparam, func, insert
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis.db.pool import Database, Tx
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import statement
from chassis.events.bus import Bus
from chassis.events.change_service import list_changes
from chassis.events.envelope import Change, Event, from_message
from chassis.events.metrics import ConsumerMetrics, RelayMetrics
from chassis.events.relay import Relay
from chassis.events.streams import stream_name
from chassis.ids import new_id
from crm.event.v1 import change_pb2
from deploy.local.platform import Platform

SERVICE = "sales"
METADATA = new_metadata()
CHANGE = chassis_tables(METADATA)["change"]
# What a consumer keeps in these tests: events applied to a record, and its newest version.
TALLY = Table(
    "tally",
    METADATA,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("id", UUID(as_uuid=False), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("applied", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
)
COLUMNS = tuple(c.name for c in CHANGE.c if c.name not in {"seq", "publish_time"})
WRITE = statement(insert(CHANGE).values({name: bindparam(f"p_{name}") for name in COLUMNS}))
_apply = upsert(TALLY).values(
    tenant_id=bindparam("tenant"), id=bindparam("record"), version=bindparam("at"), applied=1
)
APPLY = statement(
    _apply.on_conflict_do_update(
        index_elements=["tenant_id", "id"],
        set_={
            "version": func.greatest(TALLY.c.version, _apply.excluded.version),
            "applied": TALLY.c.applied + 1,
        },
    )
)


@dataclass
class Ground:
    """The connections of a test and its relays, which end with it."""

    platform: Platform
    database: Database
    bus: Bus
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    relays: list[Relay] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.consumer_metrics = ConsumerMetrics(self.registry)

    async def owner(self) -> asyncpg.Connection:
        """A connection that may do everything; the caller closes it."""
        return await asyncpg.connect(self.platform.database_url(SERVICE, "owner"))

    async def clear(self) -> None:
        """Empty all tables and forget all streams."""
        connection = await self.owner()
        names = ", ".join(f"base.{table.name}" for table in METADATA.sorted_tables)
        await connection.execute(f"TRUNCATE {names}")
        await connection.close()
        for name in ("EDGE", stream_name(SERVICE)):
            try:
                await self.bus.jetstream.delete_stream(name)
            except NotFoundError:
                continue

    async def close(self) -> None:
        """Stop everything that the test started."""
        for relay in self.relays:
            relay.stop()
        for task in self.tasks:
            if task.get_name() != "relay":
                task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.bus.close()
        await self.database.close()

    def run(self, work: Coroutine[object, object, None]) -> None:
        """Run something until the test ends."""
        self.tasks.append(asyncio.create_task(work))

    def relay(self, metrics: RelayMetrics | None = None) -> Relay:
        """A running relay."""
        metrics = metrics or RelayMetrics(CollectorRegistry())
        relay = Relay(self.database, self.bus, SERVICE, metrics)
        self.relays.append(relay)
        self.tasks.append(asyncio.create_task(relay.run(), name="relay"))
        return relay

    async def write(self, *rows: dict[str, object], tenant: str) -> None:
        """Commit changes of one tenant in one transaction."""
        async with self.database.transaction(tenant) as tx:
            await tx.execute_many(WRITE, rows)

    async def refill(
        self, service: str, resource: str, tenant_id: str, record_id: str, after: int
    ) -> list[Event]:
        """What the producer answers to a consumer that found a gap."""
        request = change_pb2.ListChangesRequest(
            resource=resource, tenant_id=tenant_id, id=record_id, after_version=after
        )
        answer = await list_changes(self.database, service, request)
        return [from_message(event.headers, event.data) for event in answer.events]

    async def unpublished(self) -> int:
        """How many changes wait."""
        return await self.count("SELECT count(*) FROM base.change WHERE publish_time IS NULL")

    async def count(self, query: str, *, admin: bool = False) -> int:
        """The number that a query of the owner, or of the server's administrator, returns."""
        url = self.platform.admin_database_url()
        connection = await (asyncpg.connect(url) if admin else self.owner())
        try:
            return int(await connection.fetchval(query))
        finally:
            await connection.close()

    async def stream_messages(self) -> int:
        """How many messages the service's stream holds."""
        info = await self.bus.jetstream.stream_info(stream_name(SERVICE))
        return info.state.messages


def change(tenant: str, record: str, version: int, **values: object) -> dict[str, object]:
    """Parameters of one change row, as the resource engine writes it."""
    row: dict[str, object] = {
        "tenant_id": tenant,
        "id": new_id(),
        "resource": "lead",
        "record_id": record,
        "version": version,
        "event": "created" if version == 1 else "updated",
        "actor_id": "user-1",
        "through": "user",
        "cause_id": "",
        "request_id": "request-1",
        "traceparent": "",
        "changes": orjson.dumps({"name": {"from": None, "to": f"Lead {version}"}}).decode(),
        "representation": orjson.dumps({"id": record, "name": f"Lead {version}"}).decode(),
        "lane": 0,
        "create_time": datetime.now(UTC),
    }
    return {f"p_{name}": value for name, value in {**row, **values}.items()}


def row_to_change(row: dict[str, object]) -> Change:
    """The change as the relay would read it."""
    values = {name.removeprefix("p_"): value for name, value in row.items()}
    return Change(seq=0, **values)  # type: ignore[arg-type]  # the columns by name


async def until(
    condition: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 10.0
) -> float:
    """Wait until something is true; how long it took, or an AssertionError."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        result = condition()
        if (await result) if isinstance(result, Awaitable) else result:
            return time.monotonic() - start
        await asyncio.sleep(0.02)
    raise AssertionError(f"not true within {seconds} s")


def ids(rows: Iterable[dict[str, object]]) -> list[str]:
    """The event ids of change rows."""
    return [str(row["p_id"]) for row in rows]


__all__ = ["Ground", "Tx", "change", "ids", "until"]
