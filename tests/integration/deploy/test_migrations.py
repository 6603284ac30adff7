"""The revisions of every service lead to the tables that its code declares."""

import asyncio
from importlib import import_module
from pathlib import Path

import asyncpg
import pytest

from chassis.db.migrate import differences, wait_until_migrated
from deploy.local.platform import Platform
from deploy.local.settings import POSTGRES, ROOT, SERVICES


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return Platform.for_tests(tmp_path_factory.mktemp("migrations"), services=SERVICES)


def test_revisions_lead_to_the_declared_tables(platform: Platform) -> None:
    platform.start(POSTGRES)
    try:
        for service in SERVICES:
            platform.migrate(service)
            platform.migrate(service)
            tables = import_module(f"services.{service}.models.tables")
            url = platform.database_url(service, "owner")
            assert differences(tables.metadata, url) == [], service
    finally:
        platform.down()


def test_revisions_are_numbered_in_a_row() -> None:
    for service in SERVICES:
        folder = Path(__file__).parents[3] / "services" / service / "migrations" / "versions"
        numbers = sorted(int(path.name[:4]) for path in folder.glob("*.py"))
        assert numbers == list(range(1, len(numbers) + 1)), service


async def test_pods_wait_for_the_migration_of_their_version(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.start(POSTGRES)
    try:
        platform.migrate("sales")
        folder = ROOT / "services" / "sales" / "migrations"
        url = platform.database_url("sales", "worker")
        monkeypatch.setattr("chassis.db.migrate.WAIT_MAX_S", 0.0)
        await asyncio.to_thread(wait_until_migrated, folder, url)
        owner = await asyncpg.connect(platform.database_url("sales", "owner"))
        await owner.execute("UPDATE alembic_version SET version_num = '0001'")
        with pytest.raises(SystemExit, match="revision is 0001"):
            await asyncio.to_thread(wait_until_migrated, folder, url)
        await owner.execute("UPDATE alembic_version SET version_num = '9999'")
        await asyncio.to_thread(wait_until_migrated, folder, url)
        await owner.execute("DELETE FROM alembic_version")
        with pytest.raises(SystemExit, match="revision is None"):
            await asyncio.to_thread(wait_until_migrated, folder, url)
        await owner.close()
    finally:
        platform.down()
    with pytest.raises(SystemExit, match="not migrated in time"):
        await asyncio.to_thread(wait_until_migrated, folder, url)
