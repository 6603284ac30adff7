"""A migrated reporting database on a real PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from chassis.db.pool import Database
from deploy.local.platform import Platform


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """PostgreSQL alone, with the service's database."""
    folder: Path = tmp_path_factory.mktemp("reporting")
    platform = Platform.for_tests(folder, ["reporting"])
    platform.start("postgres")
    try:
        platform.prepare_database("reporting")
        platform.migrate("reporting")
        yield platform
    finally:
        platform.down()


@pytest.fixture(scope="package")
async def database(platform: Platform) -> AsyncIterator[Database]:
    """The database as the service sees it."""
    database = Database(
        "reporting",
        platform.database_url("reporting", "runtime"),
        platform.database_url("reporting", "worker"),
    )
    yield database
    await database.close()


@pytest.fixture
def tenant() -> str:
    """A tenant of its own for each test."""
    return str(uuid4())
