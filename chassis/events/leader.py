"""Leadership: one process holds a session lock of PostgreSQL and works on that connection."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import bindparam, func, select, text

from chassis.db.pool import CONNECTION_ERRORS, Database, Tx
from chassis.db.sql import statement

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


async def by_one(database: Database, name: str, work: Callable[[], Awaitable[object]]) -> None:
    """Do the work, unless another process is doing it."""
    async with leadership(database, name) as lead:
        if lead is not None:
            await work()


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=2)
    except (*CONNECTION_ERRORS, TimeoutError, asyncpg.PostgresError):
        connection.terminate()
