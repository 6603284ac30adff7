"""Applies one tenant's events in one transaction: what is fresh, in order, handled, remembered."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from chassis.db.pool import Database, Tx
from chassis.events.consumer import Consumer, Mode
from chassis.events.envelope import Event, Record
from chassis.events.ledger import Ledger
from chassis.events.metrics import ConsumerMetrics
from chassis.events.ordering import in_order
from chassis.events.spans import applying
from chassis.telemetry.tracing import trace_id

log = structlog.get_logger()


@dataclass(slots=True)
class Applied:
    """Events that wait for an earlier version, and the versions that their records have."""

    waiting: list[Event] = field(default_factory=list)
    last: Mapping[Record, int] = field(default_factory=dict)


class Applier:
    """One consumer's way to apply events; every call is one transaction."""

    def __init__(
        self,
        database: Database,
        consumer: Consumer,
        metrics: ConsumerMetrics,
        on_commit: Callable[[], None],
    ) -> None:
        self._database = database
        self.consumer = consumer
        self._metrics = metrics
        self._on_commit = on_commit
        self._ordered = consumer.mode is Mode.ORDERED

    async def apply(
        self,
        tenant_id: str,
        events: Sequence[Event],
        *,
        bridged: Collection[Record] = (),
        suspects: Mapping[str, str] | None = None,
    ) -> Applied:
        """Apply what may be; raises what the handler raises, then nothing has happened.

        `suspects` (reasons by event id) are parked instead when it is their turn, with what
        follows of their records.
        """
        reasons = suspects or {}
        async with self._followed(tenant_id, events) as tx:
            ledger = Ledger(tx, tenant_id, self.consumer.name)
            ready, applied = await self._order(ledger, events, bridged)
            fresh = await ledger.remember(ready) if ready else []
            since = dict.fromkeys(await ledger.frozen(events), 0)
            for event in fresh:
                if event.id in reasons:
                    since[event.record] = min(event.version, since.get(event.record, event.version))

            def stays(event: Event) -> bool:
                return event.record not in since or event.version < since[event.record]

            parked = [event for event in [*fresh, *applied.waiting] if not stays(event)]
            await ledger.park(parked, reasons)
            applied.waiting = list(filter(stays, applied.waiting))
            done = list(filter(stays, fresh))
            await self._handle(tx, ledger, done, list(filter(stays, ready)))
        self._tell(events, parked, applied, done)
        return applied

    async def apply_states(self, tenant_id: str, states: Sequence[Event]) -> None:
        """Apply rows of a snapshot; in ordered mode only those newer than what was applied."""
        async with self._database.transaction(tenant_id) as tx:
            await self._apply_without_inbox(tx, Ledger(tx, tenant_id, self.consumer.name), states)
        self._on_commit()

    async def replay(self, tenant_id: str, resource: str, record_id: str) -> int:
        """Apply a record's parked events in order and unfreeze it; how many there were.

        All or nothing: raises what the handler raises.
        """
        async with self._database.transaction(tenant_id) as tx:
            ledger = Ledger(tx, tenant_id, self.consumer.name)
            parked = await ledger.release(resource, record_id)
            await self._apply_without_inbox(tx, ledger, parked)
        self._on_commit()
        return len(parked)

    async def park(self, event: Event, reason: str) -> None:
        """Park a message that is no event."""
        async with self._database.transaction(event.tenant_id) as tx:
            ledger = Ledger(tx, event.tenant_id, self.consumer.name)
            await ledger.park([event], {event.id: reason})

    @asynccontextmanager
    async def _followed(self, tenant_id: str, events: Sequence[Event]) -> AsyncIterator[Tx]:
        """A transaction in the traces of the events."""
        with applying(self.consumer.name, events) as traceparent:
            async with self._database.transaction(tenant_id, traceparent) as tx:
                yield tx

    async def _order(
        self, ledger: Ledger, events: Sequence[Event], bridged: Collection[Record]
    ) -> tuple[list[Event], Applied]:
        if not self._ordered:
            return list(events), Applied()
        last = await ledger.positions(events)
        ready, waiting = in_order(events, last, bridged)
        reached = last | {event.record: event.version for event in ready}
        return ready, Applied(waiting, reached)

    async def _apply_without_inbox(self, tx: Tx, ledger: Ledger, events: Sequence[Event]) -> None:
        ready, _ = await self._order(ledger, events, {event.record for event in events})
        await self._handle(tx, ledger, ready, ready)

    async def _handle(
        self, tx: Tx, ledger: Ledger, fresh: Sequence[Event], reached: Sequence[Event]
    ) -> None:
        if fresh:
            await self.consumer.handler(tx, fresh)
        if reached and self._ordered:
            await ledger.advance(reached)

    def _tell(
        self, events: Sequence[Event], parked: list[Event], applied: Applied, done: list[Event]
    ) -> None:
        name, metrics = self.consumer.name, self._metrics
        repeated = len(events) - len(done) - len(parked) - len(applied.waiting)
        metrics.applied.labels(name).inc(len(done))
        metrics.parked.labels(name).inc(len(parked))
        metrics.duplicates.labels(name).inc(repeated)
        for event in parked:
            log.error("event parked", consumer=name, tenant_id=event.tenant_id, event_id=event.id,
                      trace_id=trace_id(event.traceparent))  # fmt: skip
        if done:
            newest = max(event.time for event in events)
            delay = (datetime.now(UTC) - newest).total_seconds()
            metrics.delay.labels(name).set(max(0.0, delay))
            self._on_commit()
