"""One moment of two databases under causal writes, and restores that happen whole or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import nats
import pytest

from deploy.backup import moment as moment_module
from deploy.backup import tools
from deploy.backup.create import create
from deploy.backup.errors import BackupError
from deploy.backup.moment import common_moment
from deploy.backup.parts import verify
from deploy.backup.restore import restore
from deploy.backup.settings import BLOBS, LOG_ROOTS, Installation
from deploy.backup.settle import forget_streams, settle, settling
from deploy.backup.store import backups
from deploy.local.platform import Platform
from deploy.local.progress import Progress
from tests.integration.deploy.conftest import NAMES

SILENT = Progress(None)
MOMENTS = 150
NOW = datetime.now(UTC)
CHANGE = (
    "INSERT INTO change (tenant_id, id, resource, record_id, version, event, actor_id, through,"
    " cause_id, request_id, traceparent, changes, lane, create_time, publish_time)"
    " VALUES ($1, $2, 'customer', $2, 1, 'created', '', '', '', '', '', '{}', 0, $3, $3)"
)


@pytest.fixture
def site(platform: Platform, tmp_path: Path) -> Installation:
    """The two databases with folders of their own."""
    return Installation(
        databases={name: platform.database_url(name, "owner") for name in NAMES},
        nats_url=platform.nats_url(),
        folders={BLOBS: tmp_path / "blobs", LOG_ROOTS: tmp_path / "log-roots"},
        store=tmp_path / "backups",
        key=bytes(range(32)),
    )


@asynccontextmanager
async def sessions(site: Installation) -> AsyncIterator[list[asyncpg.Connection]]:
    """A connection to each database, customer first."""
    made = [await asyncpg.connect(site.databases[name]) for name in NAMES]
    try:
        yield made
    finally:
        for one in made:
            await one.close()


async def ping_pong(site: Installation, stop: asyncio.Event) -> None:
    """Count in one database, then in the other what the first one has: never ahead of it."""
    async with sessions(site) as (first, second):
        number = 0
        while not stop.is_set():
            number += 1
            await first.execute("UPDATE counter SET n = $1", number)
            await second.execute("UPDATE counter SET n = $1", number)


async def seen(site: Installation, names: dict[str, str]) -> list[int]:
    """What each database held in an exported snapshot."""
    found = []
    async with sessions(site) as opened:
        for name, session in zip(NAMES, opened, strict=True):
            async with session.transaction(isolation="repeatable_read", readonly=True):
                await session.execute(f"SET TRANSACTION SNAPSHOT '{names[name]}'")
                found.append(await session.fetchval("SELECT n FROM counter"))
    return found


async def test_moment_is_one_of_all_databases(site: Installation, figures: list[str]) -> None:
    async with sessions(site) as both:
        for one in both:
            await one.execute("CREATE TABLE IF NOT EXISTS counter (n bigint)")
            await one.execute("TRUNCATE counter")
            await one.execute("INSERT INTO counter VALUES (0)")
    stop = asyncio.Event()
    writing = asyncio.create_task(ping_pong(site, stop))
    tries, pairs = 0, []
    try:
        for _ in range(MOMENTS):
            async with common_moment(site.databases) as found:
                pairs.append(await seen(site, dict(found.names)))
                tries += found.tries
    finally:
        stop.set()
        await writing
    assert [pair for pair in pairs if not 0 <= pair[0] - pair[1] <= 1] == []
    assert pairs[-1][0] > MOMENTS
    figures.append(f"{MOMENTS} common moments in {tries} looks, {pairs[-1][0]} writes meanwhile")
    async with sessions(site) as both:
        for one in both:
            await one.execute("DROP TABLE counter")


async def test_databases_that_never_meet_are_refused(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moment_module, "TRY_FOR_S", 0.0)
    with pytest.raises(BackupError, match="no common moment"):
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(common_moment(site.databases))


def test_backup_of_an_unreachable_database_leaves_nothing(site: Installation) -> None:
    url = site.databases["sales"].replace("crm_sales_owner", "nobody-known")
    broken = Installation(
        {**site.databases, "sales": url}, site.nats_url, site.folders, site.store, site.key
    )
    with pytest.raises(BackupError, match="database of sales cannot be reached"):
        create(broken, SILENT)
    assert list(site.store.iterdir()) == []


async def _count(site: Installation) -> list[int]:
    async with sessions(site) as both:
        return [await one.fetchval("SELECT count(*) FROM change") for one in both]


async def _add(site: Installation, at: datetime) -> None:
    async with sessions(site) as both:
        for one in both:
            await one.execute(CHANGE, uuid4(), uuid4(), at)


def test_restore_happens_everywhere_or_nowhere(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folders[BLOBS] / "sales").mkdir(parents=True)
    (site.folders[BLOBS] / "sales" / "file").write_text("kept")
    asyncio.run(_add(site, NOW))
    before = asyncio.run(_count(site))
    manifest = create(site, SILENT)
    assert verify(backups(site.store)[0], site.key, SILENT) == manifest
    asyncio.run(_add(site, NOW))
    with pytest.raises(BackupError, match="say --yes"):
        restore(site, manifest, False, SILENT)
    monkeypatch.setattr(tools, "PATIENT", tools.PATIENT.replace("10s", "300ms"))
    with pytest.raises(BackupError, match="lock timeout"):
        asyncio.run(_while_locked(site, manifest_id=manifest.id))
    assert asyncio.run(_count(site)) == [count + 1 for count in before]
    (site.folders[BLOBS] / "sales" / "file").write_text("changed")
    done = restore(site, manifest, True, SILENT)
    assert asyncio.run(_count(site)) == before
    assert (site.folders[BLOBS] / "sales" / "file").read_text() == "kept"
    assert (site.folders[BLOBS] / done.aside / "sales" / "file").read_text() == "changed"


async def _while_locked(site: Installation, manifest_id: str) -> None:
    """Restore while somebody reads the last database."""
    manifest = verify(site.store / manifest_id, site.key, SILENT)
    async with sessions(site) as (_customer, sales), sales.transaction():
        await sales.execute("LOCK TABLE change IN ACCESS SHARE MODE")
        await asyncio.to_thread(restore, site, manifest, True, SILENT)


async def test_settled_database_tells_its_window_again(site: Installation) -> None:
    await _add(site, NOW)
    await _add(site, NOW)
    pending = "SELECT count(*) FROM change WHERE publish_time IS NULL"
    oldest = "SELECT min(create_time) FROM inbox"
    later = NOW + timedelta(days=15)
    async with sessions(site) as (customer, _sales):
        count = await customer.fetchval("SELECT count(*) FROM change")
        await customer.execute("UPDATE change SET publish_time = now()")
        await customer.execute(
            "INSERT INTO parked SELECT tenant_id, 'relay', id, resource, record_id, version,"
            " '{}', '{}', 'too large', now() FROM change LIMIT 1"
        )
        await customer.execute(
            "INSERT INTO inbox VALUES ($1, 'x', $1, $2)", uuid4(), NOW - timedelta(days=10)
        )
        await customer.execute(settling("customer", later, later))
        assert await customer.fetchval(pending) == 0
        await customer.execute(settling("customer", NOW, NOW))
        assert await customer.fetchval(pending) == count - 1
        assert await customer.fetchval(oldest) < NOW - timedelta(days=9)
        await customer.execute(settling("customer", NOW, NOW + timedelta(days=25)))
        assert await customer.fetchval(oldest) >= NOW - timedelta(minutes=5)


async def test_only_our_streams_are_forgotten(site: Installation) -> None:
    client = await nats.connect(site.nats_url)
    try:
        jetstream = client.jetstream()
        for name in ("CRM_SALES", "OTHERS"):
            await jetstream.add_stream(name=name, subjects=[f"{name}.>"])
        assert await forget_streams(site.nats_url) == ["CRM_SALES"]
        assert [one.config.name for one in await jetstream.streams_info()] == ["OTHERS"]
        await jetstream.add_stream(name="EDGE", subjects=["EDGE.>"])
        await asyncio.to_thread(settle, site)
        assert [one.config.name for one in await jetstream.streams_info()] == ["OTHERS"]
    finally:
        await client.close()
