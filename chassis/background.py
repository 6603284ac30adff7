"""What a service does besides answering calls: relay, consumers, the access feed and its jobs."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import structlog
from prometheus_client import REGISTRY
from sqlalchemy import func, select

from chassis.access.feed import access_consumer, access_feed
from chassis.access.source import AccessSource
from chassis.custom_fields.source import CustomFieldSource
from chassis.db.pool import Database
from chassis.db.sql import statement
from chassis.events.boot import Boot
from chassis.events.bus import Bus
from chassis.events.consumer import Consumer
from chassis.events.feed import Feed
from chassis.events.housekeeping import drop_representations, purge_idempotency, purge_inbox
from chassis.events.leader import ByOne
from chassis.events.metrics import ConsumerMetrics, RelayMetrics
from chassis.events.parked import COUNT_PARKED
from chassis.events.producers import Producers
from chassis.events.relay import Relay
from chassis.events.streams import edge_config, ensure_stream, has_streams
from chassis.events.worker import ConsumerWorker
from chassis.meanwhile import ended
from chassis.operations.store import COUNT_WAITING
from chassis.rpc.client import Clients
from chassis.settings import TARGETS, ServiceSettings
from chassis.telemetry.metrics import JOB_FAILURES, OPERATIONS_WAITING, PARKED, job_done

RESTART_WAIT_S = 1.0
EDGE_CHECK_S = 10.0
HOUSEKEEPING_S = 3600.0
BACKLOG_S = 10.0
MONTHS_AHEAD = 2

_PARTITIONS = statement(select(func.base.ensure_partitions(MONTHS_AHEAD)))
log = structlog.get_logger()
Work = Callable[[], Awaitable[None]]


class Background:
    """The background work of one process; `start` returns at once, the broker may come later."""

    def __init__(self, settings: ServiceSettings, database: Database, clients: Clients) -> None:
        self._settings = settings
        self._database = database
        self._producers = Producers(clients)
        self._metrics = ConsumerMetrics(REGISTRY)
        self._relay_metrics = RelayMetrics(REGISTRY)
        self._tasks: list[asyncio.Task[None]] = []
        self._stops: list[Callable[[], None]] = []
        self._bus: Bus | None = None
        self._relay: Relay | None = None
        self._feed: Feed | None = None
        self._own_feed: Feed | None = None

    def wake_relay(self) -> None:
        """Something was committed that is to be published."""
        if self._relay is not None:
            self._relay.wake()

    def feed_silent_for_s(self) -> float:
        """Seconds for which identity's feed has given no sign of life."""
        return float("inf") if self._feed is None else self._feed.silent_for_s

    def own_feed_silent_for_s(self) -> float:
        """Seconds for which the service's own feed has given no sign of life."""
        return float("inf") if self._own_feed is None else self._own_feed.silent_for_s

    def start(
        self, access: AccessSource, custom: CustomFieldSource, consumers: Sequence[Consumer]
    ) -> None:
        """Begin everything that needs the broker, as soon as there is one."""
        known = all_consumers(self._settings.service, consumers)
        self.run("bus", lambda: self._with_bus(access, custom, known))

    def run(self, name: str, work: Work) -> None:
        """Run `work` again and again: what it raises is logged, and it begins anew."""
        self._tasks.append(asyncio.create_task(_supervised(name, work), name=name))

    async def stop(self) -> None:
        """Finish the batches under way, then end everything."""
        for stop in self._stops:
            stop()
        await ended(self._tasks)
        if self._bus is not None:
            await self._bus.close()

    async def _with_bus(
        self, access: AccessSource, custom: CustomFieldSource, consumers: Sequence[Consumer]
    ) -> None:
        settings = self._settings
        bus = self._bus = Bus(_bus_lost)
        await bus.open(settings.nats_url, settings.service, settings.tls_dir)
        relay = self._relay = Relay(
            self._database, bus, settings.service, self._relay_metrics, settings.stream_replicas
        )
        self._stops.append(relay.stop)
        feed = self._feed = access_feed(bus, access)
        own_feed = self._own_feed = custom.feed(bus, settings.service)
        self.run("relay", relay.run)
        self.run("auditor", relay.keep_auditing)
        house = f"{settings.service} housekeeping"
        self.run("housekeeping", ByOne(self._database, house, self._clear, HOUSEKEEPING_S).run)
        self.run("backlog", self._tell_backlog)
        self.run("edge", lambda: _keep_edge(bus, settings.stream_replicas))
        self.run("access feed", feed.run)
        self.run("own feed", own_feed.run)
        for consumer in consumers:
            self.run(consumer.name, lambda one=consumer: self._consume(bus, one))  # type: ignore[misc]  # a default binds the loop's variable
        await asyncio.Event().wait()

    async def _clear(self) -> None:
        """Clear what has served its time; months have their partitions before they begin, too."""
        now = datetime.now(UTC)
        async with self._database.worker() as tx:
            await tx.execute(_PARTITIONS, {})
        await purge_idempotency(self._database, now)
        await purge_inbox(self._database, now)
        await drop_representations(self._database, now)

    async def _tell_backlog(self) -> None:
        """Show what waits for a person or a worker; every process of the service shows the same."""
        async with self._database.worker() as tx:
            parked = await tx.fetch(COUNT_PARKED, {})
            waiting = await tx.fetch(COUNT_WAITING, {})
        PARKED.clear()
        for row in parked:
            PARKED.labels(row["consumer"]).set(row["number"])
        OPERATIONS_WAITING.set(waiting[0]["number"])
        job_done("backlog", BACKLOG_S)
        await asyncio.sleep(BACKLOG_S)

    async def _consume(self, bus: Bus, consumer: Consumer) -> None:
        """Declare the durables, boot once from snapshots, then apply events."""
        worker = ConsumerWorker(
            self._database,
            bus,
            consumer,
            self._metrics,
            self._producers.refill,
            self.wake_relay,
        )
        self._stops.append(worker.stop)
        await worker.declare()
        await Boot(self._database, consumer, worker.applier, self._producers.snapshot).run()
        await worker.run()


def all_consumers(service: str, own: Sequence[Consumer]) -> Sequence[Consumer]:
    """The consumers of a service: its own, and the one of access wherever that is a replica."""
    return own if service == "identity" else (access_consumer(service), *own)


async def _keep_edge(bus: Bus, replicas: int) -> None:
    """Have the stream of live updates there, also after the broker has lost it."""

    async def sources_there() -> None:
        """A source that is not there yet the broker tries again only much later."""
        with suppress(TimeoutError):
            async with asyncio.timeout(EDGE_CHECK_S):
                while not await has_streams(bus, TARGETS):  # noqa: ASYNC110  # no event for it
                    await asyncio.sleep(RESTART_WAIT_S / 10)

    await ensure_stream(bus, edge_config(TARGETS, replicas), sources_there)
    await asyncio.sleep(EDGE_CHECK_S)


async def _supervised(name: str, work: Work) -> None:
    failures = JOB_FAILURES.labels(name)  # there before the first one, which is seen as a rise
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # whatever it is, the work begins anew
            failures.inc()
            log.warning("background work failed", work=name, error=error)
        await asyncio.sleep(RESTART_WAIT_S)


def _bus_lost() -> None:
    """The connection is closed for good: let whoever runs the process start it anew."""
    os._exit(1)
