"""The loop of a consumer on one stream: pull, group by tenant, apply, acknowledge."""

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from chassis.db.pool import Database
from chassis.errors import Unavailable
from chassis.events.applier import Applied, Applier
from chassis.events.bus import BROKER_ERRORS, Bus
from chassis.events.consumer import Source, ensure_consumer
from chassis.events.delivery import KEEP_EVERY_S, Delivery, keep_all, nak_delay_s, read
from chassis.events.gaps import Gaps
from chassis.events.metrics import ConsumerMetrics
from chassis.events.streams import stream_name
from chassis.meanwhile import meanwhile, up_to
from chassis.telemetry.tracing import trace_id

BATCH_MAX = 256
PULL_TIMEOUT_S = 2.0
RECHECK_S = 0.25
STOP_WAIT_S = 0.1
HANDLE_TIMEOUT_S = 10.0
DELIVERIES_MAX = 8
GROUPS_AT_ONCE = 4
RETRY_S = 1.0

log = structlog.get_logger()


class SourceLoop:
    """Consumes one stream until stopped; failures of database and broker are waited out."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        source: Source,
        applier: Applier,
        gaps: Gaps,
        metrics: ConsumerMetrics,
    ) -> None:
        self._database = database
        self._bus = bus
        self._source = source
        self._applier = applier
        self._gaps = gaps
        self._consumer = applier.consumer
        self._metrics = metrics
        self._pending = metrics.pending.labels(self._consumer.name, source.service)
        self._stop = asyncio.Event()
        self._slots = asyncio.Semaphore(GROUPS_AT_ONCE)
        self._careful_until = 0.0

    def stop(self) -> None:
        """Finish the batch under way and return from `run`."""
        self._stop.set()

    async def run(self) -> None:
        """Consume; DriftError ends it."""
        stream, name = stream_name(self._source.service), self._consumer.name
        while not self._stop.is_set():
            try:
                await self._declare()
                messages = await self._bus.jetstream.pull_subscribe_bind(
                    consumer=name, stream=stream
                )
                try:
                    await self._consume(messages)
                finally:
                    await messages.unsubscribe()
            except (NotFoundError, *BROKER_ERRORS) as error:
                log.info("consumer waits", consumer=name, stream=stream, error=error)
                await up_to(RETRY_S, self._stop)
            finally:
                await self._gaps.release()

    async def _declare(self) -> None:
        """Look whether processes died over messages more than once: then they come one at a time
        for a while.

        So a message that kills the process does not count deliveries for those that came with it.
        One death alone is no message's fault, and would slow everybody down.
        """
        suspicious = await ensure_consumer(self._bus, self._consumer, self._source)
        wait = self._consumer.ack_wait_s + PULL_TIMEOUT_S
        now = asyncio.get_running_loop().time()
        self._careful_until = now + wait if suspicious else 0.0

    async def _consume(self, messages: JetStreamContext.PullSubscription) -> None:
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            careful = loop.time() < self._careful_until
            soon = len(self._gaps) or careful
            timeout = RECHECK_S if soon else PULL_TIMEOUT_S
            came = await self._fetch(messages, 1 if careful else BATCH_MAX, timeout)
            self._pending.set(came[-1].metadata.num_pending if came else 0)
            if careful and not came:
                await self._declare()
            elif not came and not soon:
                # Nothing comes from a durable that is gone either.
                await ensure_consumer(self._bus, self._consumer, self._source)
            await self._process([read(message) for message in came])
            refilled = await self._gaps.refill(loop.time())
            self._metrics.refilled.labels(self._consumer.name).inc(refilled)

    async def _fetch(
        self, messages: JetStreamContext.PullSubscription, batch: int, seconds: float
    ) -> list[Msg]:
        """The next messages; a stop waits only for those on their way."""
        fetch = asyncio.ensure_future(messages.fetch(batch, timeout=seconds))
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((fetch, stop), return_when=asyncio.FIRST_COMPLETED)
            if not fetch.done():
                await asyncio.wait((fetch,), timeout=STOP_WAIT_S)
            return fetch.result() if fetch.done() else []
        except TimeoutError:
            return []
        finally:
            stop.cancel()
            fetch.cancel()

    async def _process(self, came: Sequence[Delivery]) -> None:
        groups: dict[str, list[Delivery]] = {}
        taken = [*self._gaps.take(), *came]
        for delivery in taken:
            if delivery.unreadable:
                await self._reject(delivery)
            else:
                groups.setdefault(delivery.event.tenant_id, []).append(delivery)
        async with meanwhile(partial(keep_all, taken), KEEP_EVERY_S):
            await asyncio.gather(*(self._slot(tenant, group) for tenant, group in groups.items()))

    async def _slot(self, tenant: str, group: Sequence[Delivery]) -> None:
        async with self._slots:
            await self._group(tenant, group)

    async def _group(self, tenant: str, group: Sequence[Delivery]) -> None:
        """Apply a tenant's events together; when that fails, one by one, so one suffers."""
        try:
            applied = await self._apply(tenant, group)
        except Exception as error:  # noqa: BLE001  # a handler may raise anything
            if len(group) == 1:
                await self._fail(group[0], error)
                return
            for delivery in sorted(group, key=lambda each: each.event.version):
                await self._group(tenant, [delivery])
            return
        await self._settle(group, applied)

    async def _apply(self, tenant: str, group: Sequence[Delivery]) -> Applied:
        """One transaction; while the database is away it waits, for that is nobody's failure."""
        suspects = {
            each.event.id: f"delivered {each.delivered} times"
            for each in group
            if each.delivered >= DELIVERIES_MAX and not each.held
        }
        events = [each.event for each in group]
        while True:
            try:
                async with asyncio.timeout(HANDLE_TIMEOUT_S):
                    return await self._applier.apply(tenant, events, suspects=suspects)
            except Unavailable:
                if self._stop.is_set() or await self._database_answers(tenant):
                    raise
            await up_to(RETRY_S, self._stop)

    async def _database_answers(self, tenant: str) -> bool:
        try:
            async with self._database.transaction(tenant):
                return True
        except Unavailable:
            return False

    async def _settle(self, group: Sequence[Delivery], applied: Applied) -> None:
        late = {event.id for event in applied.waiting}
        now = asyncio.get_running_loop().time()
        for delivery in group:
            if delivery.event.id in late:
                self._metrics.gaps.labels(self._consumer.name).inc(not delivery.held)
                self._gaps.hold(delivery, applied.last.get(delivery.event.record, 0), now)
            else:
                await delivery.ack()

    async def _fail(self, delivery: Delivery, error: Exception) -> None:
        self._metrics.failures.labels(self._consumer.name).inc()
        event = delivery.event
        log.warning("event failed", consumer=self._consumer.name, event_id=event.id,
                    tenant_id=event.tenant_id, trace_id=trace_id(event.traceparent),
                    delivered=delivery.delivered, error=error,
                    exc_info=error if delivery.delivered == 1 else None)  # fmt: skip
        await delivery.nak(nak_delay_s(delivery.delivered))

    async def _reject(self, delivery: Delivery) -> None:
        """What cannot be read is tried again as often as what fails, then parked as it is."""
        self._metrics.failures.labels(self._consumer.name).inc()
        if delivery.delivered < DELIVERIES_MAX:
            await delivery.nak(nak_delay_s(delivery.delivered))
            return
        log.error("unreadable message parked", consumer=self._consumer.name,
                  subject=delivery.message.subject, reason=delivery.unreadable)  # fmt: skip
        if delivery.event.tenant_id:
            await self._applier.park(delivery.event, delivery.unreadable)
        self._metrics.parked.labels(self._consumer.name).inc()
        await delivery.ack()
