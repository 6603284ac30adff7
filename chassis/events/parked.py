"""Parked messages, for a person: what is parked and why, and applying it after all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Text, bindparam, func, or_, select

from chassis.db.pool import Database
from chassis.db.sql import statement
from chassis.events.applier import Applier
from chassis.events.audit import RELAY
from chassis.events.tables import PARKED

LIST_MAX = 1000
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked message; that of consumer "relay" is an event which the broker refuses."""

    tenant_id: str
    consumer: str
    event_id: str
    resource: str
    record_id: str
    version: int
    reason: str
    create_time: datetime


_consumer = bindparam("consumer", type_=Text())
_LIST = statement(
    select(*(PARKED.c[name] for name in Parked.__slots__))
    .where(or_(_consumer == "", PARKED.c.consumer == _consumer))
    .order_by(PARKED.c.tenant_id, PARKED.c.consumer, PARKED.c.record_id, PARKED.c.version)
    .limit(LIST_MAX)
)

COUNT_PARKED = statement(
    select(PARKED.c.consumer, func.count().label("number")).group_by(PARKED.c.consumer)
)


async def list_parked(database: Database, consumer: str = "") -> list[Parked]:
    """Parked messages of a consumer, or of all; at most 1,000, by record and version."""
    async with database.worker() as tx:
        rows = await tx.fetch(_LIST, {"consumer": consumer})
    return [_parked(dict(row.items())) for row in rows]


async def replay_parked(
    database: Database, appliers: Mapping[str, Applier], consumer: str = ""
) -> tuple[int, list[str]]:
    """Apply the parked messages of a consumer, or of all, record by record, each all or nothing.

    Returns how many events were applied and what went wrong, one line per record that stays frozen.
    """
    done, failed = 0, []
    parked = [each for each in await list_parked(database, consumer) if each.consumer != RELAY]
    records = dict.fromkeys((p.consumer, p.tenant_id, p.resource, p.record_id) for p in parked)
    for name, tenant_id, resource, record_id in records:
        applier = appliers.get(name)
        if applier is None:
            failed.append(f"{name} {resource} {record_id}: no such consumer here")
            continue
        try:
            done += await applier.replay(tenant_id, resource, record_id)
        except Exception as error:  # noqa: BLE001  # a handler may raise anything
            failed.append(f"{name} {resource} {record_id}: {error!r}")
    log.info("parked messages replayed", applied=done, failed=len(failed))
    return done, failed


def _parked(row: dict[str, object]) -> Parked:
    values = {name: str(row[name]) for name in ("tenant_id", "event_id", "record_id")}
    return Parked(**{**row, **values})  # type: ignore[arg-type]  # columns as declared in the table
