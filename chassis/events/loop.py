"""The loop of a consumer on one stream: pull, group by tenant, apply, acknowledge."""

import asyncio
from collections.abc import Sequence

import structlog
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError
from sqlalchemy import literal, select

from chassis.db.pool import Database
from chassis.db.sql import statement
from chassis.errors import Unavailable
from chassis.events.applier import Applied, Applier
from chassis.events.bus import BROKER_ERRORS, Bus
from chassis.events.consumer import Source, ensure_consumer
from chassis.events.delivery import Delivery, Unreadable, ack, keep, nak, read
from chassis.events.gaps import RECHECK_S, Gaps
from chassis.events.ordering import Record, nak_delay_s
from chassis.events.puller import ConsumerGoneError, Puller
from chassis.events.streams import stream_name

BATCH_MAX = 256
PULL_TIMEOUT_S = 5.0
HANDLE_TIMEOUT_S = 10.0
DELIVERIES_MAX = 8
GROUPS_AT_ONCE = 4
RETRY_S = 1.0

_PROBE = statement(select(literal(1)))
log = structlog.get_logger()


class SourceLoop:
    """Consumes one stream until stopped; failures of database and broker are waited out."""

    def __init__(
        self, database: Database, bus: Bus, source: Source, applier: Applier, gaps: Gaps
    ) -> None:
        self._database = database
        self._bus = bus
        self._source = source
        self._applier = applier
        self._gaps = gaps
        self._consumer = applier.consumer
        self._metrics = applier.metrics
        self._stop = asyncio.Event()
        self._slots = asyncio.Semaphore(GROUPS_AT_ONCE)
        self._careful_until = 0.0

    def stop(self) -> None:
        """Finish the batch under way and return from `run`."""
        self._stop.set()

    async def run(self) -> None:
        """Consume; DriftError ends it."""
        stream = stream_name(self._source.service)
        while not self._stop.is_set():
            puller = Puller(self._bus, stream, self._consumer.name)
            try:
                await self._declare()
                await puller.open()
                await self._consume(puller)
            except (ConsumerGoneError, NotFoundError, *BROKER_ERRORS) as error:
                log.info("consumer waits", consumer=self._consumer.name, stream=stream,
                         error=str(error) or type(error).__name__)  # fmt: skip
                await self._pause(RETRY_S)
            finally:
                await self._gaps.release()
                for message in await puller.close():
                    await nak(message)

    async def _declare(self) -> None:
        """Look whether a process died over messages: then they come one at a time for a while.

        So a message that kills the process does not count deliveries for those that came with it.
        """
        unacknowledged = await ensure_consumer(self._bus, self._consumer, self._source)
        loop = asyncio.get_running_loop()
        wait = self._consumer.ack_wait_s + PULL_TIMEOUT_S
        self._careful_until = loop.time() + wait if unacknowledged else 0.0

    async def _consume(self, puller: Puller) -> None:
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            careful = loop.time() < self._careful_until
            timeout = RECHECK_S if len(self._gaps) or careful else PULL_TIMEOUT_S
            messages = await self._next(puller, 1 if careful else BATCH_MAX, timeout)
            if careful and not messages:
                await self._declare()
            await self._process([read(message) for message in messages], loop.time())
            self._metrics.refilled.inc(await self._gaps.refill(loop.time()))
            await self._gaps.keep(loop.time())

    async def _next(self, puller: Puller, batch: int, seconds: float) -> list[Msg]:
        """The next messages; a stop does not wait for them."""
        pull = asyncio.ensure_future(puller.next(batch, seconds))
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((pull, stop), return_when=asyncio.FIRST_COMPLETED)
            return pull.result() if pull.done() else []
        finally:
            stop.cancel()
            if not pull.done():
                pull.cancel()

    async def _process(self, came: Sequence[Delivery | Unreadable], now: float) -> None:
        for each in came:
            if isinstance(each, Unreadable):
                await self._reject(each)
        fresh = [each for each in came if isinstance(each, Delivery)]
        held = self._gaps.due(now, {each.event.record for each in fresh})
        groups: dict[str, list[Delivery]] = {}
        for delivery in [*held, *fresh]:
            groups.setdefault(delivery.event.tenant_id, []).append(delivery)
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
                await keep(delivery.message)
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
            for delivery in group:
                await keep(delivery.message)
            await self._pause(RETRY_S)

    async def _database_answers(self, tenant: str) -> bool:
        try:
            async with self._database.transaction(tenant) as tx:
                return bool(await tx.fetch(_PROBE, {}))
        except Unavailable:
            return False

    async def _settle(self, group: Sequence[Delivery], applied: Applied) -> None:
        waiting: dict[Record, list[Delivery]] = {}
        late = {event.id for event in applied.waiting}
        for delivery in group:
            if delivery.event.id in late:
                waiting.setdefault(delivery.event.record, []).append(delivery)
            else:
                await ack(delivery.message)
        now = asyncio.get_running_loop().time()
        for record, deliveries in waiting.items():
            self._metrics.gaps.inc(sum(not each.held for each in deliveries))
            self._gaps.hold(deliveries, applied.last.get(record, 0), now)

    async def _fail(self, delivery: Delivery, error: Exception) -> None:
        self._metrics.failures.inc()
        event = delivery.event
        log.warning("event failed", consumer=self._consumer.name, event_id=event.id,
                    tenant_id=event.tenant_id, delivered=delivery.delivered, error=repr(error),
                    exc_info=error if delivery.delivered == 1 else None)  # fmt: skip
        await nak(delivery.message, nak_delay_s(delivery.delivered))

    async def _reject(self, message: Unreadable) -> None:
        """What cannot be read is tried again as often as what fails, then parked as it is."""
        self._metrics.failures.inc()
        if message.delivered < DELIVERIES_MAX:
            await nak(message.message, nak_delay_s(message.delivered))
            return
        await self._applier.park_unreadable(message)
        self._metrics.parked.inc()
        await ack(message.message)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
