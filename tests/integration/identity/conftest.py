"""A migrated identity database on a real PostgreSQL, and a broker."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chassis.db.pool import Database
from deploy.local.platform import Platform
from tests.integration.identity.ground import Ground, new_ground


@pytest.fixture(scope="package")
def identity_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The two servers, with identity's database."""
    platform = Platform.for_tests(tmp_path_factory.mktemp("identity"), services=())
    platform.up()
    try:
        platform.prepare_database("identity")
        platform.migrate("identity")
        yield platform
    finally:
        platform.down()


@pytest.fixture(scope="package")
async def database(identity_platform: Platform) -> AsyncIterator[Database]:
    """The database as the service sees it."""
    database = Database(
        "identity",
        identity_platform.database_url("identity", "runtime"),
        identity_platform.database_url("identity", "worker"),
    )
    yield database
    await database.close()


@pytest.fixture
async def ground(
    identity_platform: Platform, database: Database, tmp_path: Path
) -> AsyncIterator[Ground]:
    """A tenant's empty log, with a key and a folder of its own."""
    ground = await new_ground(identity_platform, database, tmp_path)
    yield ground
    await ground.owner.close()
