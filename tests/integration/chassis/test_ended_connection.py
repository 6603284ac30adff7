"""A connection whose server has said that it ends, and whose end has not come yet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import asyncpg
import pytest

from chassis.db.pool import Pool
from chassis.errors import Unavailable


@asynccontextmanager
async def without_end(url: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """The server's URL through a proxy that keeps the first end of a connection to itself, and
    whether there was one.
    """
    parts, ended = urlsplit(url), asyncio.Event()
    opened: list[asyncio.StreamWriter] = []

    async def serve(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_connection(parts.hostname, parts.port)
        opened.extend((back, forth))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(4096):
                sink.write(data)
            if source is near or ended.is_set():
                sink.close()
            else:
                ended.set()

        await asyncio.gather(pump(near, forth), pump(far, back))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield url.replace(f":{parts.port}", f":{port}"), ended
    finally:
        server.close()
        for writer in opened:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def test_it_is_unavailable_and_not_our_fault(postgres_url: str) -> None:
    async with without_end(postgres_url) as (url, ended):
        pool = Pool(url, "test-ended")
        async with pool.begin("begin") as tx:
            pid = await tx.connection.fetchval("SELECT pg_backend_pid()")
        admin = await asyncpg.connect(postgres_url)
        await admin.execute("SELECT pg_terminate_backend($1)", pid)
        await admin.close()
        await asyncio.wait_for(ended.wait(), 5)
        await asyncio.sleep(0.05)
        with pytest.raises(Unavailable):
            async with pool.begin("begin"):
                pass
        async with pool.begin("begin") as tx:
            assert await tx.connection.fetchval("SELECT 1") == 1
        await pool.close()
