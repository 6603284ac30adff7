"""The relay: one leader per service publishes pending changes in order, then marks them."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from chassis.db.pool import CONNECTION_ERRORS, Database
from chassis.errors import Unavailable
from chassis.events.audit import audit, republish
from chassis.events.bus import BROKER_ERRORS, Bus
from chassis.events.envelope import Change, to_message
from chassis.events.leader import leadership
from chassis.events.metrics import RelayMetrics
from chassis.events.outbox import Outbox
from chassis.events.publisher import Publisher
from chassis.events.spans import tell_published
from chassis.events.streams import (
    DriftError,
    ensure_stream,
    stream_config,
    stream_name,
)
from chassis.meanwhile import up_to
from chassis.telemetry.tracing import trace_id

BUSY_POLL_S = 0.02
IDLE_POLL_S = 0.05
BUSY_FOR_S = 1.0
RETRY_MIN_S = 0.05
RETRY_MAX_S = 2.0
STANDBY_POLL_S = 1.0
LOOK_EVERY_S = 5.0
AUDIT_EVERY_S = 300.0
# Four times the interval: a run that failed is made up for.
AUDIT_LOOK_BACK = timedelta(minutes=20)

ERRORS = (Unavailable, DriftError, asyncpg.PostgresError, *CONNECTION_ERRORS, *BROKER_ERRORS)
log = structlog.get_logger()


class Relay:
    """Publishes one service's events as long as this process leads; start `run` as a task."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        service: str,
        metrics: RelayMetrics,
        replicas: int = 1,
    ) -> None:
        self._database = database
        self._bus = bus
        self._service = service
        self._metrics = metrics
        self._declared = stream_config(service, replicas)
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._failures = 0
        self.leads = False

    def wake(self) -> None:
        """Something was committed: look at once instead of at the next poll."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the batch under way, give up the lead and return from `run`."""
        self._stop.set()
        self._wake.set()

    async def run(self) -> None:
        """Lead or stand by until stopped; failures of database and broker are waited out."""
        while not self._stop.is_set():
            try:
                await self._lead_if_free()
            except ERRORS as error:
                log.warning("relay interrupted", service=self._service, error=error)
                await self._back_off()
                continue
            finally:
                self.leads = False
                self._metrics.leader.set(0)
            await up_to(STANDBY_POLL_S * random.uniform(0.8, 1.2), self._stop)

    async def _lead_if_free(self) -> None:
        async with leadership(self._database, f"crm-relay-{self._service}") as tx:
            if tx is None:
                self._metrics.unpublished_age.set(0)  # the leader tells
            else:
                await self._lead(Outbox(tx))

    async def _lead(self, outbox: Outbox) -> None:
        # Told before anything of the broker is needed: while that is away, the age must be seen.
        await self._tell_age(outbox)
        publisher = Publisher(self._bus, stream_name(self._service))
        await self._ensure_stream()
        self.leads = True
        self._metrics.leader.set(1)
        log.info("relay leads", service=self._service)
        loop = asyncio.get_running_loop()
        busy_at = look_at = 0.0
        while not self._stop.is_set():
            self._wake.clear()
            if loop.time() >= look_at:
                look_at = loop.time() + LOOK_EVERY_S
                await self._tell_age(outbox)
                await self._ensure_stream()
            changes = await outbox.take()
            if changes:
                busy_at = loop.time()
                await self._publish(outbox, publisher, changes)
            else:
                busy = loop.time() - busy_at < BUSY_FOR_S
                await up_to(BUSY_POLL_S if busy else IDLE_POLL_S, self._wake)

    async def _publish(self, outbox: Outbox, publisher: Publisher, changes: list[Change]) -> None:
        began_ns = time.time_ns()
        result = await publisher.publish([to_message(self._service, each) for each in changes])
        now = datetime.now(UTC)
        if result.stored:
            await outbox.mark(result.stored, now)
            self._metrics.published.inc(len(result.stored))
            tell_published(self._service, result.stored, began_ns)
        if result.refused:
            await outbox.park(result.refused, now)
            self._metrics.refused.inc(len(result.refused))
        for message, reason in result.refused:
            change = message.change
            log.error("event parked by the relay", reason=reason, tenant_id=change.tenant_id,
                      event_id=change.id, trace_id=trace_id(change.traceparent))  # fmt: skip
        if not result.failure:
            self._failures = 0
            return
        self._metrics.failures.inc()
        log.warning("events not published yet", service=self._service, reason=result.failure)
        await self._back_off()
        await self._ensure_stream()

    async def keep_auditing(self) -> None:
        """Compare ledger and stream every few minutes while this process leads; until cancelled."""
        while True:
            await asyncio.sleep(AUDIT_EVERY_S)
            if self.leads:
                since = datetime.now(UTC) - AUDIT_LOOK_BACK
                found = await audit(self._database, self._bus, self._service, since)
                self._metrics.republished.inc(found.missing)
                if found.missing:
                    self.wake()

    async def _ensure_stream(self) -> None:
        """Only the leader makes the stream: whoever else did would hide that it was lost."""
        await ensure_stream(self._bus, self._declared, self._begin_anew)

    async def _begin_anew(self) -> None:
        """The stream begins anew, the ledger perhaps not: what it has goes out again.

        Before the stream is made, so that a kill in between repeats this.
        """
        count = await republish(self._database, datetime.now(UTC))
        self._metrics.republished.inc(count)
        log.warning("stream begins anew", service=self._service, republished=count)

    async def _tell_age(self, outbox: Outbox) -> None:
        oldest = await outbox.oldest()
        age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
        self._metrics.unpublished_age.set(max(0.0, age))

    async def _back_off(self) -> None:
        self._failures += 1
        delay = min(RETRY_MAX_S, RETRY_MIN_S * 2 ** min(self._failures, 10))
        await up_to(delay * random.uniform(0.5, 1.0), self._stop)
