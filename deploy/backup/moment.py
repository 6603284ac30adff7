"""One moment of all databases, without stopping anybody: transactions that see the same snapshot.

Transaction ids and snapshots belong to the server, not to a database (ADR 0019).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from deploy.backup.errors import BackupError

TRY_FOR_S: Final = 60.0
PAUSE_MAX_S: Final = 0.01
CONNECT_TIMEOUT_S: Final = 10.0
# The transactions stay open as long as the dumps take.
SETTINGS: Final = {
    "application_name": "crm-backup",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
SEEN: Final = (
    "SELECT pg_export_snapshot() AS name, pg_current_snapshot()::text AS seen,"
    " clock_timestamp() AS time"
)
SERVER: Final = "SELECT system_identifier::text FROM pg_control_system()"
REVISION: Final = "SELECT version_num FROM base.alembic_version"


@dataclass(frozen=True)
class Moment:
    """When it was, what was committed by then, the exported snapshot and the schema's revision by
    service, and how many times it took to meet.
    """

    time: datetime
    snapshot: str
    names: Mapping[str, str]
    revisions: Mapping[str, str]
    tries: int


@asynccontextmanager
async def common_moment(urls: Mapping[str, str]) -> AsyncIterator[Moment]:
    """A moment that lasts as long as the block; BackupError when the databases cannot meet."""
    async with AsyncExitStack() as stack:
        sessions = {name: await _connect(stack, name, url) for name, url in urls.items()}
        if len({await one.fetchval(SERVER) for one in sessions.values()}) > 1:
            raise BackupError(
                "The databases are on several servers: they have no moment in common (ADR 0019)"
            )
        yield await _meet(sessions)


async def _connect(stack: AsyncExitStack, name: str, url: str) -> asyncpg.Connection:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings=SETTINGS)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise BackupError(f"The database of {name} cannot be reached: {error}") from error
    stack.callback(connection.terminate)
    return connection


async def _meet(sessions: Mapping[str, asyncpg.Connection]) -> Moment:
    """Look at once everywhere until all see the same transactions as finished."""
    loop = asyncio.get_running_loop()
    deadline, tries = loop.time() + TRY_FOR_S, 0
    while loop.time() < deadline:
        tries += 1
        await asyncio.gather(*(one.execute(BEGIN) for one in sessions.values()))
        rows = await asyncio.gather(*(one.fetchrow(SEEN) for one in sessions.values()))
        found = [row for row in rows if row is not None]
        if len({row["seen"] for row in found}) == 1:
            return Moment(
                time=max(row["time"] for row in found),
                snapshot=found[0]["seen"],
                names={name: row["name"] for name, row in zip(sessions, found, strict=True)},
                revisions={name: await one.fetchval(REVISION) for name, one in sessions.items()},
                tries=tries,
            )
        await asyncio.gather(*(one.execute("ROLLBACK") for one in sessions.values()))
        await asyncio.sleep(random.uniform(0, PAUSE_MAX_S))
    raise BackupError(f"So much is written that {tries} looks found no common moment: try later")
