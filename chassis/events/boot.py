"""Boot of a consumer: the producer's current rows first, page by page, then its events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TypeAlias

import grpc
import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis.db.pool import Database
from chassis.db.sql import statement
from chassis.errors import CrmError
from chassis.events.applier import Applier
from chassis.events.consumer import Consumer, Source
from chassis.events.envelope import SNAPSHOT, Event, parse_data
from chassis.events.leader import leadership
from chassis.events.tables import BOOT
from chassis.ids import new_id
from crm.event.v1 import change_pb2

PAGE = 500
RETRY_S = 1.0

# (service, resource, "tenant/id" after which to go on) -> rows by tenant and id.
Snapshot: TypeAlias = Callable[[str, str, str], AsyncIterator[change_pb2.RecordState]]
log = structlog.get_logger()

_READ = statement(
    select(BOOT.c.after, BOOT.c.finish_time).where(
        BOOT.c.consumer == bindparam("of_consumer"), BOOT.c.resource == bindparam("of_resource")
    )
)
_save = upsert(BOOT).values({column.name: bindparam(f"p_{column.name}") for column in BOOT.c})
_SAVE = statement(
    _save.on_conflict_do_update(
        index_elements=["consumer", "resource"],
        set_={"after": _save.excluded.after, "finish_time": _save.excluded.finish_time},
    )
)


class Boot:
    """Boots one consumer, once; a boot that was killed goes on where it was."""

    def __init__(
        self, database: Database, consumer: Consumer, applier: Applier, snapshot: Snapshot
    ) -> None:
        self._database = database
        self._consumer = consumer
        self._applier = applier
        self._snapshot = snapshot

    async def run(self) -> None:
        """Return when all its resources are booted; waits for producers that are away.

        The durables must exist before, so that what changes meanwhile comes as events afterwards.
        """
        for source in self._consumer.sources:
            for resource in source.resources:
                await self._boot(source, resource)

    async def _boot(self, source: Source, resource: str) -> None:
        finished = False
        while not finished:
            try:
                finished = await self._boot_as_leader(source.service, resource)
            except (grpc.aio.AioRpcError, CrmError, TimeoutError, OSError) as error:
                log.warning("boot waits", consumer=self._consumer.name, resource=resource,
                            error=error)  # fmt: skip
            if not finished:
                await asyncio.sleep(RETRY_S)

    async def _boot_as_leader(self, service: str, resource: str) -> bool:
        """One process boots; the others wait until it has, or has died. True when it is done."""
        values = {"of_consumer": self._consumer.name, "of_resource": f"{service}.{resource}"}
        lock = f"crm-boot-{self._consumer.name}-{service}.{resource}"
        async with leadership(self._database, lock) as tx:
            if tx is None:
                return False
            row = await tx.fetch_row(_READ, values)
            if row is None or row["finish_time"] is None:
                await self._pages(service, resource, row["after"] if row else "")
            return True

    async def _pages(self, service: str, resource: str, after: str) -> None:
        name = f"{service}.{resource}"
        log.info("boot begins", consumer=self._consumer.name, resource=name, after=after)
        page: list[Event] = []
        async for state in self._snapshot(service, resource, after):
            page.append(state_event(service, resource, state))
            if len(page) == PAGE:
                await self._apply(name, page)
                page = []
        await self._apply(name, page)
        await self._remember(name, "", datetime.now(UTC))
        log.info("boot done", consumer=self._consumer.name, resource=name)

    async def _apply(self, name: str, page: Sequence[Event]) -> None:
        """Apply a page by tenant, then remember its end: what a kill repeats changes nothing."""
        for tenant, events in groupby(page, key=lambda event: event.tenant_id):
            await self._applier.apply_states(tenant, list(events))
        if page:
            await self._remember(name, f"{page[-1].tenant_id}/{page[-1].record_id}", None)

    async def _remember(self, name: str, after: str, finished: datetime | None) -> None:
        values = {
            "p_consumer": self._consumer.name,
            "p_resource": name,
            "p_after": after,
            "p_finish_time": finished,
        }
        async with self._database.worker() as tx:
            await tx.execute(_SAVE, values)


def state_event(service: str, resource: str, state: change_pb2.RecordState) -> Event:
    """A row of a snapshot as consumers take it."""
    return Event(
        id=new_id(),
        tenant_id=state.tenant_id,
        service=service,
        resource=resource,
        name=SNAPSHOT,
        record_id=state.id,
        version=state.version,
        time=datetime.now(UTC),
        actor_id="",
        through="",
        cause_id="",
        data=parse_data(state.data),
    )
