"""What the change tables and the broker still hold that has not come where it goes."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import asyncpg
from nats.aio.client import Client as Nats

from chassis.events.streams import stream_name
from deploy.local.platform import Platform

_PENDING: Final = "SELECT count(*) FROM base.change WHERE publish_time IS NULL"


async def under_way(platform: Platform, services: Sequence[str]) -> list[str]:
    """A line for each of the services' change tables and consumers that is not at its end."""
    late = []
    for name in services:
        connection = await asyncpg.connect(platform.database_url(name, "owner"))
        try:
            if count := await connection.fetchval(_PENDING):
                late.append(f"{count} changes of {name} are not published")
        finally:
            await connection.close()

    async def ask(client: Nats) -> None:
        for name in services:
            for one in await client.jetstream().consumers_info(stream_name(name)):
                waiting = (one.num_pending or 0) + (one.num_ack_pending or 0)
                if one.config.durable_name and waiting:
                    late.append(f"{waiting} events of {name} wait for {one.name}")

    await with_nats(platform, ask)
    return late


async def with_nats(platform: Platform, work: Callable[[Nats], object]) -> None:
    """Do something on a connection of one's own."""
    client = Nats()
    await client.connect(platform.nats_url(), connect_timeout=5)
    try:
        done = work(client)
        assert asyncio.iscoroutine(done)
        await done
    finally:
        await client.close()
