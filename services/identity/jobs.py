"""What identity does on its own: sign the operation log, send mails, and drop what is old."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta

import structlog
from sqlalchemy import Column, Date, Text, bindparam, delete, func, select, text, tuple_

from chassis.db.pool import Database
from chassis.db.sql import statement
from chassis.events.leader import ByOne
from chassis.telemetry.metrics import job_done
from services.identity.domain.attempt import FORGET_AFTER
from services.identity.methods.log_sign import RootSigner
from services.identity.methods.mail import Mailer
from services.identity.models.attempt import attempt
from services.identity.models.log import log_entry, log_head
from services.identity.models.password_reset import password_reset
from services.identity.models.user import session

SIGN_EVERY_S = 1.0
DROP_EVERY_S = 3600.0
MAIL_EVERY_S = 0.5
CLEAR_EVERY_S = 600.0
CLEARED_TENANTS_MAX = 1000
CLEARED_ROWS_MAX = 1000
CLEARED_TIMES_MAX = 100
# An ended session stays for a while, so that its refresh tokens are known as used.
SESSION_KEPT = timedelta(days=30)

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
    database: Database, signer: RootSigner, kept: timedelta, mailer: Mailer
) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """The jobs by name; each does its work once and waits."""

    async def sign() -> None:
        await signer.sign_due()
        job_done("identity log roots", SIGN_EVERY_S)
        await asyncio.sleep(SIGN_EVERY_S)

    async def drop() -> None:
        await drop_old(database, datetime.now(UTC), kept)

    async def send() -> None:
        await mailer.look_up()
        await mailer.send_due()
        job_done("identity mail", MAIL_EVERY_S)
        await asyncio.sleep(MAIL_EVERY_S)

    clearings = (
        Clearing(attempt.c.last_time, FORGET_AFTER),
        Clearing(password_reset.c.expire_time, timedelta(0)),
        Clearing(session.c.expire_time, SESSION_KEPT),
    )

    async def clear() -> None:
        for one in clearings:
            await one.run(database, datetime.now(UTC))

    return {
        "log roots": sign,
        "log retention": ByOne(database, "identity log retention", drop, DROP_EVERY_S).run,
        "mail": send,
        "clearing": ByOne(database, "identity clearing", clear, CLEAR_EVERY_S).run,
    }


class Clearing:
    """Deletes the rows of one table whose time is `kept` ago, up to 100,000 of each tenant."""

    def __init__(self, column: Column[datetime], kept: timedelta) -> None:
        table, old = column.table, column < bindparam("before")
        key = tuple_(*table.primary_key.columns)
        rows = (
            select(*table.primary_key.columns)
            .where(table.c.tenant_id == bindparam("tenant_id"), old)
            .limit(CLEARED_ROWS_MAX)
        )
        self._kept = kept
        self._tenants = statement(
            select(table.c.tenant_id).where(old).distinct().limit(CLEARED_TENANTS_MAX)
        )
        self._delete = statement(delete(table).where(key.in_(rows)))

    async def run(self, database: Database, now: datetime) -> None:
        """One round."""
        before = {"before": now - self._kept}
        async with database.worker() as tx:
            tenants = [str(row["tenant_id"]) for row in await tx.fetch(self._tenants, before)]
        for tenant_id in tenants:
            values, times = {**before, "tenant_id": tenant_id}, 0
            while await self._some(database, values) and times < CLEARED_TIMES_MAX:
                times += 1

    async def _some(self, database: Database, values: Mapping[str, object]) -> bool:
        """Delete as many rows as one transaction takes; whether there may be more."""
        async with database.transaction(str(values["tenant_id"])) as tx:
            return await tx.execute(self._delete, values) == CLEARED_ROWS_MAX


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
