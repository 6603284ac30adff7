"""The revisions of every service lead to the tables that its code declares."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from importlib import import_module
from pathlib import Path

import asyncpg
import pytest

from chassis.db.migrate import differences, wait_until_migrated
from chassis.ids import new_id
from deploy.local.platform import Platform
from deploy.local.settings import POSTGRES, ROOT, SERVICES

OLD = """
    INSERT INTO base.customer (tenant_id, id, version, create_time, update_time, kind, name)
    SELECT $1, uuidv7(), 1, now(), now(), 'COMPANY', 'customer ' || n FROM generate_series(1, $2) n
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return Platform.for_tests(tmp_path_factory.mktemp("migrations"), services=SERVICES)


async def test_two_migrations_take_turns(platform: Platform) -> None:
    platform.start(POSTGRES)
    try:
        platform.prepare_database("marketing")
        url = platform.database_url("marketing", "owner")
        environment = platform.service_environment("marketing") | {"MIGRATION_DATABASE_URL": url}
        command = [sys.executable, "-m", "services.marketing", "migrate"]
        owner = await asyncpg.connect(url)
        try:
            await owner.execute("SELECT pg_advisory_lock(hashtext('crm-migrate'))")
            both = [
                await asyncio.create_subprocess_exec(
                    *command, cwd=ROOT, env=environment, stdout=PIPE
                )
                for _ in range(2)
            ]
            for one in both:
                assert one.stdout is not None
                assert b"waits for its turn" in await one.stdout.readline()
            await owner.execute("SELECT pg_advisory_unlock_all()")
            told = [(await one.communicate())[0] for one in both]
            assert [one.returncode for one in both] == [0, 0], told
            folder = ROOT / "services" / "marketing" / "migrations" / "versions"
            newest = max(path.name[:4] for path in folder.glob("0*.py"))
            assert await owner.fetchval("SELECT version_num FROM base.alembic_version") == newest
        finally:
            await owner.close()
    finally:
        platform.down()


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


def test_customers_that_there_are_get_numbers(platform: Platform) -> None:
    sizes = {new_id(): 3, new_id(): 1200}
    platform.start(POSTGRES)
    try:
        platform.migrate("customer")
        asyncio.run(before_numbers(platform, sizes))
        platform.migrate("customer")
        for tenant_id, size in sizes.items():
            numbers, last, given = asyncio.run(numbers_of(platform, tenant_id))
            assert numbers == [f"C{at:06d}" for at in range(1, size + 1)]
            assert (last, given) == (size, [(1, size + 1)])
    finally:
        platform.down()


async def before_numbers(platform: Platform, sizes: dict[str, int]) -> None:
    """Customers as they were before the revision that numbers them."""
    owner = await asyncpg.connect(platform.database_url("customer", "owner"))
    for tenant_id, size in sizes.items():
        await owner.execute(OLD, tenant_id, size)
    await owner.execute("UPDATE base.alembic_version SET version_num = '0003'")
    await owner.close()


async def numbers_of(
    platform: Platform, tenant_id: str
) -> tuple[list[str], int, list[tuple[int, int]]]:
    """The numbers of a tenant's customers in the order of their ids, and their series."""
    worker = await asyncpg.connect(platform.database_url("customer", "worker"))
    rows = await worker.fetch(
        "SELECT number FROM customer WHERE tenant_id = $1 ORDER BY id", tenant_id
    )
    series = await worker.fetchrow(
        "SELECT last, given FROM number_series WHERE tenant_id = $1", tenant_id
    )
    await worker.close()
    assert series is not None
    given = [(block.lower, block.upper) for block in series["given"]]
    return [row["number"] for row in rows], series["last"], given


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
