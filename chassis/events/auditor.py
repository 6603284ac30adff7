"""Runs the audit of a service every few minutes in the process whose relay leads."""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from chassis.db.pool import Database
from chassis.events.audit import audit
from chassis.events.bus import Bus
from chassis.events.metrics import RelayMetrics
from chassis.events.relay import ERRORS, Relay

EVERY_S = 300.0
# Four times the interval: a run that failed is made up for.
LOOK_BACK = timedelta(minutes=20)

log = structlog.get_logger()


class Auditor:
    """Compares ledger and stream again and again; start `run` as a task."""

    def __init__(
        self, database: Database, bus: Bus, service: str, relay: Relay, metrics: RelayMetrics
    ) -> None:
        self._database = database
        self._bus = bus
        self._service = service
        self._relay = relay
        self._metrics = metrics

    async def run(self) -> None:
        """Audit until cancelled; what fails is tried again next time."""
        while True:
            await asyncio.sleep(EVERY_S)
            if self._relay.leads:
                await self.look()

    async def look(self, back: timedelta = LOOK_BACK) -> None:
        """One audit of what was changed within `back`."""
        try:
            since = datetime.now(UTC) - back
            found = await audit(self._database, self._bus, self._service, since)
        except ERRORS as error:
            log.warning("audit failed", service=self._service, error=repr(error))
            return
        self._metrics.republished.inc(found.missing)
        if found.missing:
            self._relay.wake()
