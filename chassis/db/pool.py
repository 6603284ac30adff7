"""Our own pool of asyncpg connections and the transactions on it; the tenant is set in the trip
that begins one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar  # Any: see Record
from uuid import UUID

import asyncpg

from chassis.db.sql import Statement
from chassis.errors import Unavailable
from chassis.telemetry.database import followed
from chassis.telemetry.metrics import POOL_REFUSED, watch_pool
from chassis.telemetry.tracing import sampled

# What a column holds is known to the author of the statement only.
Record: TypeAlias = Mapping[str, Any]  # Any: as said above

Result = TypeVar("Result")

CONNECTIONS_MAX = 8
ACQUIRE_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 3.0
STATEMENT_CACHE_SIZE = 500
CONNECTION_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server has said that it ends, but has not ended yet
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    OSError,
)
SERVER_SETTINGS = {
    "jit": "off",
    # What one request gets by working on all processors the others lose, and more.
    "max_parallel_workers_per_gather": "0",
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
    "transaction_timeout": "15s",
    # The locks of a machine that is gone, the relay's lead too, are free again after 25 s.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


@dataclass(slots=True)
class Tx:
    """An open transaction: runs statements, never begins or ends it."""

    connection: asyncpg.Connection
    # Trace context of a sampled request, else "".
    traceparent: str = ""
    discarded: bool = False
    later: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    committed: list[Callable[[], None]] = field(default_factory=list)
    undone: list[Callable[[], None]] = field(default_factory=list)
    # Unique values given to records of this transaction that may not be written yet.
    reserved: set[str] = field(default_factory=set)

    def on_commit(self, tell: Callable[..., None], *given: object) -> None:
        """Have `tell(*given)` called once the transaction is committed."""
        self.committed.append(lambda: tell(*given))

    def on_rollback(self, tell: Callable[..., None], *given: object) -> None:
        """Have `tell(*given)` called when the transaction has failed, unless that is uncertain."""
        self.undone.append(lambda: tell(*given))

    def discard_if(self, only_validated: bool) -> None:
        """Have the transaction rolled back at its end, when it was only to check."""
        self.discarded = self.discarded or only_validated

    def after(self, work: Callable[..., Awaitable[None]], call: object, *rest: object) -> None:
        """Have `work(call, tx, *rest)` done in this transaction after the record itself
        is written.
        """
        self.later.append(lambda: work(call, self, *rest))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part of the transaction that is undone alone when it raises, with what it put off."""
        mark = len(self.later)
        await self.connection.execute("savepoint part")
        try:
            yield
        except BaseException:
            del self.later[mark:]
            if not self.connection.is_closed():
                await self.connection.execute("rollback to savepoint part")
            raise
        await self.connection.execute("release savepoint part")

    async def do_later(self) -> None:
        """Do now what was put off until the records are written."""
        while self.later:
            await self.later.pop(0)()

    async def fetch(self, run: Statement, values: Mapping[str, object]) -> list[Record]:
        """All rows of the statement."""
        work = self.connection.fetch(run.sql, *run.arguments(values))
        found = await self._followed(run.sql, work)
        rows: list[Any] = found  # Any: see Record
        return rows

    async def fetch_row(self, run: Statement, values: Mapping[str, object]) -> Record | None:
        """The first row, or None."""
        work = self.connection.fetchrow(run.sql, *run.arguments(values))
        found = await self._followed(run.sql, work)
        row: Record | None = found  # type: ignore[assignment]  # a Mapping, whatever its stubs say
        return row

    async def execute(self, run: Statement, values: Mapping[str, object]) -> int:
        """Run the statement; the number of rows that its last command touched."""
        work = self.connection.execute(run.sql, *run.arguments(values))
        status: str = await self._followed(run.sql, work)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def execute_many(self, run: Statement, rows: Iterable[Mapping[str, object]]) -> None:
        """Run the statement once for each row, in one pipelined trip."""
        work = self.connection.executemany(run.sql, [run.arguments(row) for row in rows])
        await self._followed(run.sql, work)

    async def end(self) -> None:
        """Commit, or roll back what was only to be checked, then tell whom it concerns."""
        command = "rollback" if self.discarded else "commit"
        await self._followed(command, self.connection.execute(command))
        for tell in () if self.discarded else self.committed:
            tell()

    async def _followed(self, sql: str, work: Awaitable[Result]) -> Result:
        """The result, with a span of its own when the request is sampled."""
        return await (followed(sql, self.traceparent, work) if self.traceparent else work)


class Pool:
    """At most CONNECTIONS_MAX connections of one role, the last used first; a broken one is
    dropped.
    """

    def __init__(self, url: str, name: str, size: int = CONNECTIONS_MAX) -> None:
        self._url = url
        self._settings = {**SERVER_SETTINGS, "application_name": name}
        self._free = asyncio.Semaphore(size)
        self._idle: list[asyncpg.Connection] = []
        self._busy = 0
        self._closed = False
        role = name.rpartition("-")[2]
        self._refused = POOL_REFUSED.labels(role)
        watch_pool(role, size, lambda: self._busy)

    async def close(self) -> None:
        """Close the idle connections, in 2 s or without the server; those in use close when they
        come back.
        """
        self._closed = True
        while self._idle:
            with suppress(TimeoutError, *CONNECTION_ERRORS):
                await self._idle.pop().close(timeout=2)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection; raises Unavailable when none comes free in time."""
        try:
            async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
                await self._free.acquire()
        except TimeoutError:
            self._refused.inc()
            raise Unavailable("DATABASE_BUSY", "The database is busy; try again.") from None
        self._busy += 1
        try:
            connection = await self._checkout()
            try:
                yield connection
            finally:
                self._checkin(connection)
        finally:
            self._busy -= 1
            self._free.release()

    async def _checkout(self) -> asyncpg.Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            return await asyncpg.connect(
                self._url,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=8,
                server_settings=self._settings,
                statement_cache_size=STATEMENT_CACHE_SIZE,
            )
        except (*CONNECTION_ERRORS, TimeoutError) as error:
            raise Unavailable("DATABASE_AWAY", "The database is away; try again.") from error

    def _checkin(self, connection: asyncpg.Connection) -> None:
        if connection.is_closed() or self._closed or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)

    @asynccontextmanager
    async def begin(self, opening: str, traceparent: str = "") -> AsyncIterator[Tx]:
        """Run a transaction that starts with the simple query `opening`; commit at the end, else
        roll back.
        """
        async with self.connection() as connection:
            tx = Tx(connection, traceparent if sampled(traceparent) else "")
            try:
                await connection.execute(opening)
                yield tx
                await tx.do_later()
                await tx.end()
            except CONNECTION_ERRORS as error:
                connection.terminate()
                raise Unavailable("DATABASE_AWAY", "The database is away; try again.") from error
            except BaseException as error:
                await _roll_back(connection)
                for tell in tx.undone if isinstance(error, Exception) else ():
                    tell()
                raise


async def _roll_back(connection: asyncpg.Connection) -> None:
    try:
        if not connection.is_closed():
            await asyncio.shield(connection.execute("rollback"))
    except (*CONNECTION_ERRORS, TimeoutError, asyncpg.PostgresError):
        connection.terminate()


class Database:
    """The service's database as its two roles see it: one tenant at a time, or all for the
    service's own work.
    """

    def __init__(
        self, service: str, runtime_url: str, worker_url: str, connections: int = CONNECTIONS_MAX
    ) -> None:
        self._runtime = Pool(runtime_url, f"{service}-runtime", connections)
        self._worker = Pool(worker_url, f"{service}-worker")

    async def close(self) -> None:
        """Close both pools."""
        await self._runtime.close()
        await self._worker.close()

    def transaction(self, tenant_id: str, traceparent: str = "") -> AbstractAsyncContextManager[Tx]:
        """A transaction that sees the rows of one tenant only, within a trace; an id that is none
        raises ValueError.
        """
        opening = f"begin; set local crm.tenant = '{UUID(tenant_id)}'"
        return self._runtime.begin(opening, traceparent)

    def worker(self) -> AbstractAsyncContextManager[Tx]:
        """A transaction of the worker role, across tenants, limited to the tables it
        was granted.
        """
        return self._worker.begin("begin")

    def worker_connection(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """A connection of the worker role for a session lock or a cursor."""
        return self._worker.connection()
