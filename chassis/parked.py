"""The commands for parked messages: `python -m services.x parked` shows them, `parked
replay` applies them.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import CollectorRegistry

from chassis.app import Parts, Toolbox
from chassis.background import all_consumers
from chassis.custom_fields.source import CustomFieldSource
from chassis.db.pool import Database
from chassis.events.applier import Applier
from chassis.events.metrics import ConsumerMetrics
from chassis.events.parked import list_parked, replay_parked
from chassis.operations.start import Starter
from chassis.rpc.client import Clients
from chassis.settings import ServiceSettings

Work = Callable[[Database, Parts], Awaitable[bool]]


def show_parked(settings: ServiceSettings, build: Callable[[Toolbox], Parts]) -> None:
    """Print a line for each parked message."""
    _run(settings, build, _show)


def replay(settings: ServiceSettings, build: Callable[[Toolbox], Parts]) -> None:
    """Apply the parked messages; exit code 1 when a record stays frozen."""

    async def work(database: Database, parts: Parts) -> bool:
        metrics = ConsumerMetrics(CollectorRegistry())
        appliers = {
            one.name: Applier(database, one, metrics, lambda: None)
            for one in all_consumers(settings.service, parts.consumers)
        }
        done, failed = await replay_parked(database, appliers)
        sys.stdout.writelines(f"{line}\n" for line in (*failed, f"applied {done}"))
        return not failed

    _run(settings, build, work)


async def _show(database: Database, _parts: Parts) -> bool:
    for one in await list_parked(database):
        what = f"{one.consumer} {one.tenant_id} {one.resource} {one.record_id} v{one.version}"
        sys.stdout.write(f"{one.create_time.isoformat()} {what}: {one.reason}\n")
    return True


def _run(settings: ServiceSettings, build: Callable[[Toolbox], Parts], work: Work) -> None:
    async def run() -> bool:
        database = Database(settings.service, settings.database_url, settings.worker_database_url)
        clients = Clients(
            settings.service, settings.service_secret, settings.targets, settings.tls_dir
        )
        starter, custom = Starter(settings.service, database), CustomFieldSource(database, float)
        toolbox = Toolbox(settings, database, clients, starter, custom)
        try:
            return await work(database, build(toolbox))
        finally:
            await clients.close()
            await database.close()

    # What is asked for goes to standard output alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if not asyncio.run(run()):
        sys.exit(1)
