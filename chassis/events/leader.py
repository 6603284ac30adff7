"""Leadership: one process holds a session lock of PostgreSQL and works on that connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import bindparam, func, select, text

from chassis.db.pool import CONNECTION_ERRORS, Database, Tx
from chassis.db.sql import statement
from chassis.telemetry.metrics import job_done

TRY_LOCK = statement(select(func.pg_try_advisory_lock(func.hashtextextended(bindparam("name"), 0))))
# Most rows are done with: what is pending is found by its partial index, never by a scan.
_BY_INDEX = statement(text("SET enable_seqscan = off"))


@asynccontextmanager
async def leadership(database: Database, name: str) -> AsyncIterator[Tx | None]:
    """The leader's connection, or None when another process leads.

    Every statement of the leader runs on the connection that holds the lock, so with the lock it
    loses the means to read and mark. Closing the connection at the end releases the lock.
    """
    async with database.worker_connection() as connection:
        try:
            locked = await connection.fetchval(TRY_LOCK.sql, *TRY_LOCK.arguments({"name": name}))
            if not locked:
                yield None
                return
            await connection.execute(_BY_INDEX.sql)
            yield Tx(connection)
        finally:
            await _close(connection)


class ByOne:
    """A job that one process of several does at a time, `every_s` apart, and tells when it did."""

    def __init__(
        self, database: Database, name: str, work: Callable[[], Awaitable[object]], every_s: float
    ) -> None:
        self._database = database
        self._name = name
        self._work = work
        self._every_s = every_s
        job_done(name, every_s)  # one that is never done is late from here on

    async def run(self) -> None:
        """Do it, unless another process is doing it, and wait."""
        async with leadership(self._database, self._name) as lead:
            if lead is not None:
                await self._work()
                job_done(self._name, self._every_s)
        await asyncio.sleep(self._every_s)


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=2)
    except (*CONNECTION_ERRORS, TimeoutError, asyncpg.PostgresError):
        connection.terminate()
