"""A connection whose server has said that it ends, and whose end has not come yet."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from chassis.db.pool import Pool
from chassis.errors import Unavailable
from tests.fault.campaign.proxy import Proxies


async def test_it_is_unavailable_and_not_our_fault(postgres_url: str, tmp_path: Path) -> None:
    port = int(urlsplit(postgres_url).port or 0)
    proxies = Proxies({"postgres": port}, tmp_path)
    proxies.start()
    try:
        pool = Pool(postgres_url.replace(f":{port}", f":{proxies.ports['postgres']}"), "test-ended")
        async with pool.begin("begin") as tx:
            pid = await tx.connection.fetchval("SELECT pg_backend_pid()")
        proxies.order("postgres", "close 60")
        await asyncio.sleep(0.1)
        admin = await asyncpg.connect(postgres_url)
        await admin.execute("SELECT pg_terminate_backend($1)", pid)
        await admin.close()
        async with asyncio.timeout(5):
            while not proxies.moved("postgres"):  # noqa: ASYNC110  # told by a file
                await asyncio.sleep(0.02)
        with pytest.raises(Unavailable):
            async with pool.begin("begin"):
                pass
        async with pool.begin("begin") as tx:
            assert await tx.connection.fetchval("SELECT 1") == 1
        await pool.close()
    finally:
        proxies.stop()
