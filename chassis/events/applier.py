"""Applies one tenant's events in one transaction: what is fresh, in order, handled, remembered."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from chassis.db.pool import Database, Tx
from chassis.events.consumer import Consumer, Mode
from chassis.events.delivery import Unreadable
from chassis.events.envelope import Event
from chassis.events.ledger import Ledger
from chassis.events.metrics import ConsumerMetrics
from chassis.events.ordering import Record, in_order

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Applied:
    """Events that wait for an earlier version, and the versions that their records have."""

    waiting: tuple[Event, ...] = ()
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
        self.metrics = metrics
        self._on_commit = on_commit

    async def apply(
        self,
        tenant_id: str,
        events: Sequence[Event],
        *,
        bridged: Collection[Record] = (),
        suspects: Mapping[str, str] | None = None,
    ) -> Applied:
        """Apply what may be; raises what the handler raises, then nothing has happened.

        `suspects` (reasons by event id) are parked instead, with what follows of their records.
        """
        async with self._database.transaction(tenant_id) as tx:
            ledger = Ledger(tx, tenant_id, self.consumer.name)
            parked = await self._park(ledger, events, suspects or {}, bridged)
            rest = [event for event in events if event.id not in parked]
            ordered = self.consumer.mode is Mode.ORDERED
            if not rest:
                applied, done = Applied(), 0
            elif ordered:
                applied, done = await self._in_order(tx, ledger, rest, bridged)
            else:
                applied, done = Applied(), await self._handle(tx, ledger, rest)
        if done:
            self._on_commit()
        self._tell(events, parked, applied, done)
        return applied

    async def apply_states(self, tenant_id: str, states: Sequence[Event]) -> None:
        """Apply rows of a snapshot; in ordered mode only those newer than what was applied."""
        async with self._database.transaction(tenant_id) as tx:
            ledger = Ledger(tx, tenant_id, self.consumer.name)
            newer = states
            if self.consumer.mode is Mode.ORDERED:
                last = await ledger.positions(states)
                newer = [each for each in states if each.version > last.get(each.record, 0)]
            if newer:
                await self.consumer.handler(tx, newer)
                if self.consumer.mode is Mode.ORDERED:
                    await ledger.advance(newer)
        self._on_commit()

    async def replay(self, tenant_id: str, resource: str, record_id: str) -> int:
        """Apply a record's parked events in order and unfreeze it; how many there were.

        All or nothing: raises what the handler raises.
        """
        async with self._database.transaction(tenant_id) as tx:
            ledger = Ledger(tx, tenant_id, self.consumer.name)
            parked = await ledger.parked(resource, record_id)
            if not parked:
                return 0
            await ledger.release(parked)
            if self.consumer.mode is Mode.ORDERED:
                await self._in_order(tx, ledger, parked, {parked[0].record})
            else:
                await self._handle(tx, ledger, parked)
        self._on_commit()
        return len(parked)

    async def park_unreadable(self, message: Unreadable) -> None:
        """Park a message that is no event; without a tenant it can only be told about."""
        log.error("unreadable message parked", consumer=self.consumer.name,
                  subject=message.message.subject, reason=message.reason)  # fmt: skip
        if message.tenant_id:
            async with self._database.transaction(message.tenant_id) as tx:
                ledger = Ledger(tx, message.tenant_id, self.consumer.name)
                await ledger.park_unreadable(message)

    async def _park(
        self,
        ledger: Ledger,
        events: Sequence[Event],
        suspects: Mapping[str, str],
        bridged: Collection[Record],
    ) -> set[str]:
        """Park suspects whose turn it is and what follows of their records; the ids parked."""
        since = dict.fromkeys(await ledger.frozen(events), 0)
        for event in await self._due(ledger, events, suspects, bridged):
            since[event.record] = min(event.version, since.get(event.record, event.version))
        parked = [e for e in events if e.record in since and e.version >= since[e.record]]
        if parked:
            await ledger.park(parked, suspects)
        for event in parked:
            log.error(
                "event parked",
                consumer=self.consumer.name,
                reason=suspects.get(event.id, "record frozen"),
                tenant_id=event.tenant_id,
                event_id=event.id,
            )
        return {event.id for event in parked}

    async def _due(
        self,
        ledger: Ledger,
        events: Sequence[Event],
        suspects: Mapping[str, str],
        bridged: Collection[Record],
    ) -> list[Event]:
        """The suspects that would be handled now: neither done before nor waiting for another."""
        if not suspects:
            return []
        due = events
        if self.consumer.mode is Mode.ORDERED:
            due = in_order(events, await ledger.positions(events), bridged).ready
        seen = await ledger.seen(suspects)
        return [event for event in due if event.id in suspects and event.id not in seen]

    async def _handle(self, tx: Tx, ledger: Ledger, events: Sequence[Event]) -> int:
        fresh = await ledger.remember(events)
        if fresh:
            await self.consumer.handler(tx, fresh)
        return len(fresh)

    async def _in_order(
        self, tx: Tx, ledger: Ledger, events: Sequence[Event], bridged: Collection[Record]
    ) -> tuple[Applied, int]:
        last = await ledger.positions(events)
        result = in_order(events, last, bridged)
        done = 0
        if result.ready:
            done = await self._handle(tx, ledger, result.ready)
            await ledger.advance(result.ready)
        reached = last | {event.record: event.version for event in result.ready}
        return Applied(tuple(result.waiting), reached), done

    def _tell(self, events: Sequence[Event], parked: set[str], applied: Applied, done: int) -> None:
        metrics = self.metrics
        metrics.applied.inc(done)
        metrics.parked.inc(len(parked))
        repeated = len(events) - done - len(parked) - len(applied.waiting)
        metrics.duplicates.inc(max(0, repeated))
        if done:
            newest = max(event.time for event in events)
            metrics.delay.set(max(0.0, (datetime.now(UTC) - newest).total_seconds()))
