"""Records that wait for a missing version: held, looked at again, refilled by their producer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from chassis.events.applier import Applier
from chassis.events.delivery import Delivery, keep, nak
from chassis.events.envelope import Event
from chassis.events.ordering import Record, nak_delay_s

# (service, resource, tenant id, record id, last version known) -> events after it, oldest first.
Refill: TypeAlias = Callable[[str, str, str, str, int], Awaitable[list[Event]]]
REFILLS_MAX = 10
RECHECK_S = 0.25
KEEP_EVERY_S = 10.0
ATTEMPTS_MAX = 8

log = structlog.get_logger()


@dataclass
class Gap:
    """What is held of one record; times are the loop's."""

    since: float
    last: int
    look_at: float
    keep_at: float
    refill_at: float
    attempts: int = 0
    deliveries: list[Delivery] = field(default_factory=list)


class Gaps:
    """The gaps that one loop of a consumer has seen and not yet closed."""

    def __init__(self, applier: Applier, refill: Refill | None) -> None:
        self._consumer = applier.consumer
        self._applier = applier
        self._refill = refill
        self._gaps: dict[Record, Gap] = {}

    def __len__(self) -> int:
        return len(self._gaps)

    def hold(self, deliveries: Sequence[Delivery], last: int, now: float) -> None:
        """Hold deliveries of one record until an earlier version has come."""
        record = deliveries[0].event.record
        gap = self._gaps.get(record)
        if gap is None:
            at = now + self._consumer.gap_wait_s
            gap = Gap(now, last, now + RECHECK_S, now + KEEP_EVERY_S, at)
            self._gaps[record] = gap
            log.info("event waits for an earlier version", consumer=self._consumer.name,
                     record_id=record[2], last=last)  # fmt: skip
        gap.last = last
        for delivery in deliveries:
            delivery.held = True
            gap.deliveries.append(delivery)

    def due(self, now: float, records: set[Record]) -> list[Delivery]:
        """Held deliveries to try again: of records that move, or not looked at for a while."""
        ready: list[Delivery] = []
        for record, gap in self._gaps.items():
            if gap.deliveries and (record in records or now >= gap.look_at):
                gap.look_at = now + RECHECK_S
                ready += gap.deliveries
                gap.deliveries = []
        return ready

    async def keep(self, now: float) -> None:
        """Tell the broker that the held ones are still worked at; forget gaps that are closed."""
        for record, gap in list(self._gaps.items()):
            if not gap.deliveries:
                del self._gaps[record]
            elif now >= gap.keep_at:
                gap.keep_at = now + KEEP_EVERY_S
                for delivery in gap.deliveries:
                    await keep(delivery.message)

    async def refill(self, now: float) -> int:
        """Fetch what is missing of records that waited long enough; how many events came."""
        overdue = [each for each in self._gaps.items() if now >= each[1].refill_at]
        return sum([await self._refill_one(record, gap) for record, gap in overdue])

    async def release(self) -> None:
        """Give all held deliveries back."""
        for gap in self._gaps.values():
            for delivery in gap.deliveries:
                await nak(delivery.message)
        self._gaps.clear()

    async def _refill_one(self, record: Record, gap: Gap) -> int:
        """Apply what the producer has, else go on without it; a failure is tried again later."""
        gap.attempts += 1
        gap.refill_at = asyncio.get_running_loop().time() + nak_delay_s(gap.attempts)
        if self._refill is None or not gap.deliveries:
            return 0
        tenant, resource, record_id = record
        service = gap.deliveries[0].event.service
        count = 0
        try:
            for _ in range(REFILLS_MAX):
                fetched = await self._refill(service, resource, tenant, record_id, gap.last)
                await self._apply(record, gap, fetched)
                count += len(fetched)
                held = sorted((each.event for each in gap.deliveries), key=_version)
                rest = [event for event in held if event.version > gap.last]
                if not rest or not fetched or rest[0].version == gap.last + 1:
                    await self._apply(record, gap, rest)
                    break
        except Exception as error:  # noqa: BLE001  # a producer or a handler may fail in any way
            log.warning(
                "gap not filled",
                consumer=self._consumer.name,
                record_id=record_id,
                last=gap.last,
                error=repr(error),
            )
        gap.look_at = 0.0
        return count

    async def _apply(self, record: Record, gap: Gap, events: Sequence[Event]) -> None:
        """Apply one by one: the first stands in for versions that the producer has not."""
        for event in events:
            suspects = {}
            if gap.attempts > ATTEMPTS_MAX and event.version == gap.last + 1:
                # A fetched event has no deliveries that could be counted, so attempts are.
                suspects[event.id] = f"failed {ATTEMPTS_MAX} times while filling a gap"
            await self._applier.apply(record[0], [event], bridged={record}, suspects=suspects)
            gap.last = max(gap.last, event.version)


def _version(event: Event) -> int:
    return event.version
