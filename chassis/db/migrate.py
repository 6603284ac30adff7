"""Runs a service's Alembic migrations: the same env for all, the owner's role, schema `base`, a
lock timeout.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import asyncpg
import structlog
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.db.partitions import build_partitions, is_partition
from chassis.db.wall import missing_views, schemas, set_rights

# Below PostgreSQL's deadlock_timeout (1s), so that a migration gives way, never a request.
LOCK_TIMEOUT = "500ms"
LOCK_PAUSE_S = 0.5
BUSY = frozenset({"55P03", "40P01"})  # lock not available, deadlock
WAIT_MAX_S = 900.0
WAIT_POLL_S = 2.0

log = structlog.get_logger()


def upgrade(service: str, folder: Path, metadata: MetaData, url: str) -> None:
    """Bring the database at `url` (owner's role) to the newest revision, then build wall and
    partitions.
    """

    def finish(connection: Connection) -> None:
        build_partitions(connection, service)
        set_rights(connection, service, metadata)

    def work(connection: Connection) -> None:
        _open(connection, service)
        _patiently(connection, lambda: _run(connection, folder))
        for statements in missing_views(connection, service, metadata):
            _patiently(connection, partial(_execute, connection, statements))
        _patiently(connection, lambda: finish(connection))

    asyncio.run(_with_connection(url, work))


def _patiently(connection: Connection, step: Callable[[], None]) -> None:
    """Do and commit the step, again and again while requests hold what it locks: they go first."""
    deadline = time.monotonic() + WAIT_MAX_S
    while True:
        try:
            step()
            connection.commit()
            return
        except DBAPIError as error:
            connection.rollback()
            busy = getattr(error.orig, "sqlstate", "") in BUSY
            if not busy or time.monotonic() > deadline:
                raise
            log.info("migration waits for a lock", error=error.orig)
            time.sleep(LOCK_PAUSE_S)


def _execute(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def differences(metadata: MetaData, url: str) -> list[object]:
    """What the tables declared have that the migrated database has not, or the other way round."""
    found: list[object] = []

    def work(connection: Connection) -> None:
        connection.execute(text("SET search_path = base"))
        options = {"include_object": _ours, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        found.extend(compare_metadata(context, metadata))

    asyncio.run(_with_connection(url, work))
    return found


def wait_until_migrated(folder: Path, url: str) -> None:
    """Return once the database at `url` (worker's role) is as this code needs it; SystemExit when
    that takes too long. A revision that this code does not know is of a later version: it will do.
    """
    script = ScriptDirectory.from_config(_config(folder))
    older = {one.revision for one in script.walk_revisions()} - {script.get_current_head()}
    deadline = time.monotonic() + WAIT_MAX_S
    while True:
        try:
            found = asyncio.run(_revision(url))
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            found, reason = None, repr(error)
        else:
            reason = f"its revision is {found}"
        if found is not None and found not in older:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"The database was not migrated in time: {reason}")
        log.info("waiting for the migration", reason=reason)
        time.sleep(WAIT_POLL_S)


async def _revision(url: str) -> str | None:
    connection = await asyncpg.connect(url, timeout=WAIT_POLL_S)
    try:
        found: str | None = await connection.fetchval(
            "SELECT version_num FROM base.alembic_version"
        )
        return found
    finally:
        await connection.close()


def new_revision(service: str, folder: Path, metadata: MetaData, url: str, message: str) -> None:
    """Write a revision file with the differences, to be read and corrected by a person.

    The database is brought to the newest revision first, without the wall: its views show columns
    that are still to come.
    """

    def work(connection: Connection) -> None:
        _open(connection, service)
        _run(connection, folder)
        config = _config(folder)
        script = ScriptDirectory.from_config(config)
        from alembic.autogenerate.api import RevisionContext  # noqa: PLC0415  # only this command needs it

        arguments = {
            "message": message,
            "autogenerate": True,
            "sql": False,
            "head": "head",
            "splice": False,
            "branch_label": None,
            "version_path": None,
            "rev_id": f"{len(list(script.walk_revisions())) + 1:04d}",
            "depends_on": None,
        }
        revisions = RevisionContext(config, script, arguments)

        def steps(revision: tuple[str, ...], context: MigrationContext) -> list[object]:
            revisions.run_autogenerate(revision, context)
            return []

        _environment(connection, config, script, steps, metadata)
        list(revisions.generate_scripts())

    asyncio.run(_with_connection(url, work))


async def _with_connection(url: str, work: object) -> None:
    # The driver reads the URL itself, as everywhere: TLS options have other names elsewhere.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url, timeout=10)
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(work)  # type: ignore[arg-type]  # a plain function of a Connection
    finally:
        await engine.dispose()


def _open(connection: Connection, service: str) -> None:
    # Two may start at once: the second waits and finds nothing to do. It looks again and again: a
    # statement that waited would be a transaction, and an index built concurrently waits for those.
    while not connection.scalar(text("SELECT pg_try_advisory_lock(hashtext('crm-migrate'))")):
        connection.commit()
        log.info("migration waits for its turn")
        time.sleep(LOCK_PAUSE_S)
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    quote = connection.dialect.identifier_preparer.quote
    database, owner = connection.execute(text("SELECT current_database(), current_user")).one()
    roles = (quote(owner), f"crm_{service}", f"crm_{service}_worker")
    for statement in schemas(quote(database), *roles):
        connection.exec_driver_sql(statement)
    connection.execute(text("SET search_path = base"))
    connection.commit()


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder))
    return config


def _run(connection: Connection, folder: Path) -> None:
    config = _config(folder)
    script = ScriptDirectory.from_config(config)

    def steps(revision: tuple[str, ...], _context: MigrationContext) -> list[object]:
        return list(script._upgrade_revs("head", revision))  # type: ignore[arg-type]  # noqa: SLF001  # as alembic's own upgrade

    _environment(connection, config, script, steps, None)


def _environment(
    connection: Connection,
    config: Config,
    script: ScriptDirectory,
    steps: object,
    metadata: MetaData | None,
) -> None:
    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(
            connection=connection,
            target_metadata=metadata,
            include_object=_ours,
            transaction_per_migration=True,
        )
        with environment.begin_transaction():
            environment.run_migrations()


def _ours(_object: object, name: str | None, kind: str, _reflected: bool, _to: object) -> bool:
    return not (kind in {"table", "index"} and name is not None and is_partition(name))
