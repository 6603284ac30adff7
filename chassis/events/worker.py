"""A consumer at work: one loop per stream."""

import asyncio
from collections.abc import Callable

from chassis.db.pool import Database
from chassis.events.applier import Applier
from chassis.events.bus import Bus
from chassis.events.consumer import Consumer, ensure_consumer
from chassis.events.gaps import Gaps, Refill
from chassis.events.loop import SourceLoop
from chassis.events.metrics import ConsumerMetrics


class ConsumerWorker:
    """Runs one consumer; start `run` as a task. `applier` also serves boot and replay."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        consumer: Consumer,
        metrics: ConsumerMetrics,
        refill: Refill,
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self.consumer = consumer
        self.applier = Applier(database, consumer, metrics, on_commit)
        self._bus = bus
        self._loops = []
        for source in consumer.sources:
            gaps = Gaps(self.applier, refill)
            self._loops.append(SourceLoop(database, bus, source, self.applier, gaps, metrics))

    async def declare(self) -> None:
        """Create or compare the durables; NotFoundError while a stream is missing."""
        for source in self.consumer.sources:
            await ensure_consumer(self._bus, self.consumer, source)

    async def run(self) -> None:
        """Consume until stopped; DriftError ends it."""
        async with asyncio.TaskGroup() as group:
            for loop in self._loops:
                group.create_task(loop.run())

    def stop(self) -> None:
        """Finish the batch under way, give back what is not started and return from `run`."""
        for loop in self._loops:
            loop.stop()
