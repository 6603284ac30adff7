"""Periodic work of the service: mails, and clearing what has served its time."""

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import Column, bindparam, delete, select, tuple_

from chassis.db.pool import Database
from chassis.db.sql import statement
from services.identity.domain.attempt import FORGET_AFTER
from services.identity.methods.mail import Mailer
from services.identity.models.attempt import attempt
from services.identity.models.password_reset import password_reset
from services.identity.models.user import session

MAIL_EVERY_S = 0.5
CLEAR_EVERY_S = 600.0
TENANTS_MAX = 1000
ROWS_MAX = 1000
# An ended session stays for a while, so that its refresh tokens are known as used.
SESSION_KEPT = timedelta(days=30)


class Jobs:
    """Each method does one round and waits; the supervisor of the process begins it anew."""

    def __init__(self, database: Database, mailer: Mailer) -> None:
        self._database = database
        self._mailer = mailer
        self._clearings = (
            _Clearing(attempt.c.last_time, FORGET_AFTER),
            _Clearing(password_reset.c.expire_time, timedelta(0)),
            _Clearing(session.c.expire_time, SESSION_KEPT),
        )

    async def send_mails(self) -> None:
        """Look up who asked for links, and send what is due."""
        await self._mailer.look_up()
        await self._mailer.send_due()
        await asyncio.sleep(MAIL_EVERY_S)

    async def clear(self) -> None:
        """Delete what is long over, at most ROWS_MAX rows of a tenant and table in a round."""
        for one in self._clearings:
            await one.run(self._database, datetime.now(UTC))
        await asyncio.sleep(CLEAR_EVERY_S)


class _Clearing:
    """Deletes the rows of one table whose time is `kept` ago."""

    def __init__(self, column: Column[datetime], kept: timedelta) -> None:
        table, old = column.table, column < bindparam("before")
        key = tuple_(*table.primary_key.columns)
        rows = (
            select(*table.primary_key.columns)
            .where(table.c.tenant_id == bindparam("tenant_id"), old)
            .limit(ROWS_MAX)
        )
        self._kept = kept
        self._tenants = statement(
            select(table.c.tenant_id).where(old).distinct().limit(TENANTS_MAX)
        )
        self._delete = statement(delete(table).where(key.in_(rows)))

    async def run(self, database: Database, now: datetime) -> None:
        before = {"before": now - self._kept}
        async with database.worker() as tx:
            tenants = [str(row["tenant_id"]) for row in await tx.fetch(self._tenants, before)]
        for tenant_id in tenants:
            async with database.transaction(tenant_id) as tx:
                await tx.execute(self._delete, {**before, "tenant_id": tenant_id})
