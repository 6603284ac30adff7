"""Records that wait for a missing version: held, tried again, refilled by their producer."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from chassis.events.applier import Applier
from chassis.events.delivery import KEEP_EVERY_S, Delivery, keep_all, nak_delay_s
from chassis.events.envelope import Event, Record

# (service, resource, tenant id, record id, last version known) -> events after it, oldest first.
Refill: TypeAlias = Callable[[str, str, str, str, int], Awaitable[list[Event]]]
ATTEMPTS_MAX = 8

log = structlog.get_logger()


@dataclass
class Gap:
    """What is held of one record; times are the loop's."""

    refill_at: float
    last: int = 0
    attempts: int = 0
    deliveries: list[Delivery] = field(default_factory=list)


class Gaps:
    """The gaps that one loop of a consumer has seen and not yet closed.

    They wait in memory, for a message given back would count a delivery each time.
    """

    def __init__(self, applier: Applier, refill: Refill) -> None:
        self._consumer = applier.consumer
        self._applier = applier
        self._refill = refill
        self._gaps: dict[Record, Gap] = {}
        self._keep_at = 0.0

    def __len__(self) -> int:
        return len(self._gaps)

    def take(self) -> list[Delivery]:
        """All that is held, to be tried again; what still waits is held anew."""
        taken = [each for gap in self._gaps.values() for each in gap.deliveries]
        for gap in self._gaps.values():
            gap.deliveries = []
        return taken

    def hold(self, delivery: Delivery, last: int, now: float) -> None:
        """Hold a delivery until the version after `last` has come."""
        record = delivery.event.record
        gap = self._gaps.get(record)
        if gap is None:
            gap = self._gaps[record] = Gap(now + self._consumer.gap_wait_s)
            log.info("event waits for an earlier version", consumer=self._consumer.name,
                     record_id=record[2], last=last)  # fmt: skip
        gap.last = last
        gap.deliveries.append(delivery)
        delivery.held = True

    async def refill(self, now: float) -> int:
        """Fetch what is missing of records that waited long enough; how many events came."""
        self._gaps = {record: gap for record, gap in self._gaps.items() if gap.deliveries}
        overdue = [each for each in self._gaps.items() if now >= each[1].refill_at]
        count = sum([await self._refill_one(record, gap, now) for record, gap in overdue])
        if now >= self._keep_at:
            self._keep_at = now + KEEP_EVERY_S
            await keep_all(each for gap in self._gaps.values() for each in gap.deliveries)
        return count

    async def release(self) -> None:
        """Give all held deliveries back."""
        for delivery in self.take():
            await delivery.nak()
        self._gaps.clear()

    async def _refill_one(self, record: Record, gap: Gap, now: float) -> int:
        """Apply what the producer has; when it has nothing, go on without what is missing."""
        tenant, resource, record_id = record
        gap.attempts += 1
        gap.refill_at = now + nak_delay_s(gap.attempts)
        held = [each.event for each in gap.deliveries]
        try:
            fetched = await self._refill(held[0].service, resource, tenant, record_id, gap.last)
            events = fetched or sorted(held, key=_version)
            await self._apply(events, gap.attempts)
        except Exception as error:  # noqa: BLE001  # a producer or a handler may fail in any way
            log.warning("gap not filled", consumer=self._consumer.name, record_id=record_id,
                        last=gap.last, error=error)  # fmt: skip
            return 0
        # Perhaps the producer has more than fits into one answer: the next look tells.
        gap.attempts, gap.refill_at = 0, now
        return len(fetched)

    async def _apply(self, events: Sequence[Event], attempts: int) -> None:
        """Apply one by one: the next stands in for versions that the producer has not."""
        suspects: dict[str, str] = {}
        if attempts > ATTEMPTS_MAX:
            # A fetched event has no deliveries that could be counted, so attempts are.
            suspects = {events[0].id: f"failed {ATTEMPTS_MAX} times while filling a gap"}
        for event in events:
            await self._applier.apply(
                event.tenant_id, [event], bridged={event.record}, suspects=suspects
            )


def _version(event: Event) -> int:
    return event.version
