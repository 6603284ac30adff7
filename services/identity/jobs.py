"""What identity does on its own: sign the operation log, and drop what of it is old."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta

import structlog
from sqlalchemy import Date, Text, bindparam, func, select, text

from chassis.db.pool import Database
from chassis.db.sql import statement
from services.identity.methods.log_sign import RootSigner
from services.identity.models.log import log_entry, log_head

SIGN_EVERY_S = 1.0
DROP_EVERY_S = 3600.0

log = structlog.get_logger()
_MONTHS = statement(
    text(
        "SELECT to_date(right(relname, 7), 'YYYY_MM') AS month FROM pg_inherits"
        " JOIN pg_class ON oid = inhrelid WHERE inhparent = 'base.log_entry'::regclass"
        " AND relname ~ '_[0-9]{4}_[0-9]{2}$' ORDER BY month"
    )
)
_UNSIGNED = statement(
    select(log_entry.c.sequence)
    .join(log_head, log_head.c.tenant_id == log_entry.c.tenant_id)
    .where(
        log_entry.c.create_time >= bindparam("month"),
        log_entry.c.create_time < bindparam("next_month"),
        log_entry.c.sequence > log_head.c.root_sequence,
    )
    .limit(1)
)
_DROP = statement(
    select(
        func.base.drop_partition(
            bindparam("parent", type_=Text), bindparam("month", type_=Date)
        ).label("dropped")
    )
)


def jobs(
    database: Database, signer: RootSigner, kept: timedelta
) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """The jobs by name; each does its work once and waits."""

    async def sign() -> None:
        await signer.sign_due()
        await asyncio.sleep(SIGN_EVERY_S)

    async def drop() -> None:
        await drop_old(database, datetime.now(UTC), kept)
        await asyncio.sleep(DROP_EVERY_S)

    return {"log roots": sign, "log retention": drop}


async def drop_old(database: Database, now: datetime, kept: timedelta) -> list[date]:
    """Drop the months of the operation log that are older than `kept` and signed; which they were.

    The database refuses what is younger than half a year.
    """
    dropped: list[date] = []
    async with database.worker() as tx:
        for row in await tx.fetch(_MONTHS, {}):
            month: date = row["month"]
            start = datetime(month.year, month.month, 1, tzinfo=UTC)
            end = (start + timedelta(days=31)).replace(day=1)
            if end > now - kept:
                break
            if await tx.fetch_row(_UNSIGNED, {"month": start, "next_month": end}) is not None:
                break
            await tx.fetch(_DROP, {"parent": log_entry.name, "month": month})
            dropped.append(month)
    for month in dropped:
        log.info("month of the operation log dropped", month=str(month))
    return dropped
