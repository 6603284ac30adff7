"""A real PostgreSQL and NATS with one service's tables."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.db.partitions import build_partitions
from chassis.db.pool import Database
from chassis.db.wall import missing_views, set_rights
from chassis.events import loop
from chassis.events.bus import Bus
from deploy.local.platform import Platform
from tests.integration.chassis.events.ground import METADATA, SERVICE, Ground


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The two servers on free ports, with the database of one service."""
    made = Platform.for_tests(Path(tmp_path_factory.mktemp("run")), services=())
    made.up()
    made.prepare_database(SERVICE)
    try:
        yield made
    finally:
        made.down()


@pytest.fixture(scope="package")
async def tables(platform: Platform) -> None:
    """All tables of the service, built as its migration builds them."""
    url = platform.database_url(SERVICE, "owner").replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("SET search_path = base"))
        await connection.run_sync(METADATA.create_all)
        await connection.run_sync(build_partitions, SERVICE)
        for statements in await connection.run_sync(missing_views, SERVICE, METADATA):
            for statement in statements:
                await connection.exec_driver_sql(statement)
        await connection.run_sync(set_rights, SERVICE, METADATA)
    await engine.dispose()


@pytest.fixture
async def ground(platform: Platform, tables: None) -> AsyncIterator[Ground]:
    """Empty tables, no streams, open connections."""
    if "nats" not in platform.pids():
        platform.start("nats")
    bus = Bus(lambda: None)
    await bus.open(platform.nats_url(), "test")
    database = Database(
        SERVICE, platform.database_url(SERVICE, "runtime"), platform.database_url(SERVICE, "worker")
    )
    ground = Ground(platform, database, bus)
    await ground.clear()
    yield ground
    await ground.close()


@pytest.fixture
def short_naks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed messages come again soon: eight deliveries within a second."""
    monkeypatch.setattr(loop, "nak_delay_s", lambda delivered: 0.02 * delivered)
