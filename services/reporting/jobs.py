"""Watches how current the read models are."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from nats.js.errors import NotFoundError
from sqlalchemy import bindparam, select

from chassis.db.pool import Database, Tx
from chassis.db.sql import statement
from chassis.errors import Unavailable
from chassis.events.bus import BROKER_ERRORS, Bus
from chassis.events.consumer import Consumer, Handler
from chassis.events.envelope import Event
from chassis.events.streams import stream_name
from chassis.events.tables import BOOT
from chassis.settings import ServiceSettings

LOOK_EVERY_S = 0.25

_BOOTED = statement(
    select(BOOT.c.resource).where(
        BOOT.c.consumer == bindparam("consumer"), BOOT.c.finish_time.is_not(None)
    )
)
log = structlog.get_logger()


class Currency:
    """`as_of` is the moment up to which changes are counted; None until that is known.

    Between two looks at the broker without any event that came or waited, everything up to the
    first look is counted; while events flow, everything up to the newest one applied here. What
    cannot be asked leaves it where it was: it is a lower bound.
    """

    def __init__(self) -> None:
        self.as_of: datetime | None = None
        self._newest: datetime | None = None
        self._looked_at: datetime | None = None
        self._place: tuple[int, ...] = ()
        self._booted = False

    def read(self) -> datetime | None:
        """The moment up to which changes are counted."""
        return self.as_of

    def watching(self, handler: Handler) -> Handler:
        """The handler, with what it applies noticed."""

        async def handle(tx: Tx, events: Sequence[Event]) -> None:
            await handler(tx, events)
            newest = max(event.time for event in events)
            self._newest = max(newest, self._newest or newest)

        return handle

    async def watch(
        self, database: Database, settings: ServiceSettings, consumer: Consumer
    ) -> None:
        """Look for ever, LOOK_EVERY_S apart."""
        bus = Bus(_lost)
        await bus.open(settings.nats_url, "reporting-currency", settings.tls_dir)
        try:
            while True:
                await self.look(database, bus, consumer, datetime.now(UTC))
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await bus.close()

    async def look(self, database: Database, bus: Bus, consumer: Consumer, now: datetime) -> None:
        """Ask the broker once where the consumer stands."""
        try:
            if await self._boot_finished(database, consumer):
                self._note(now, *await _standing(bus, consumer))
        except (Unavailable, NotFoundError, *BROKER_ERRORS):
            self._looked_at = None

    def _note(self, now: datetime, place: tuple[int, ...], waiting: int) -> None:
        still = not waiting and place == self._place
        known = self._looked_at if still else self._newest
        if known is not None:
            self.as_of = max(known, self.as_of or known)
        # After events that wait, quiet begins anew.
        self._looked_at = None if waiting else now
        self._place = place

    async def _boot_finished(self, database: Database, consumer: Consumer) -> bool:
        """Whether the snapshots that the events go on from are in."""
        if not self._booted:
            async with database.worker() as tx:
                rows = await tx.fetch(_BOOTED, {"consumer": consumer.name})
            wanted = {
                f"{source.service}.{resource}"
                for source in consumer.sources
                for resource in source.resources
            }
            self._booted = wanted <= {row["resource"] for row in rows}
        return self._booted


async def _standing(bus: Bus, consumer: Consumer) -> tuple[tuple[int, ...], int]:
    """Where the consumer is in each stream, and how many events wait or are not acknowledged."""
    places, waiting = [], 0
    for source in consumer.sources:
        stream = stream_name(source.service)
        info = await bus.jetstream.consumer_info(stream, consumer.name)
        places.append(info.delivered.stream_seq if info.delivered else 0)
        waiting += (info.num_pending or 0) + (info.num_ack_pending or 0)
    return tuple(places), waiting


def _lost() -> None:
    log.warning("broker connection of the currency watch is closed")
