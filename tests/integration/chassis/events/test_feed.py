"""Feeds, the stream of live updates, and what can be seen of the broker's declarations."""

import asyncio
from dataclasses import replace

import pytest
from nats.js import api

from chassis.events.feed import NEVER, Feed, Told
from chassis.events.streams import (
    EDGE,
    DriftError,
    edge_config,
    ensure_stream,
    stream_config,
    stream_name,
)
from chassis.ids import new_id
from tests.integration.chassis.events.ground import SERVICE, Ground, change, until
from tests.integration.chassis.events.tally import publish


class Listener:
    """What a feed told."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self.gaps = 0

    def on_message(self, told: Told) -> None:
        self.records.append(told.headers["ce-subject"])

    def on_gap(self, _: int) -> None:
        self.gaps += 1


async def test_feed_tells_what_is_new_and_survives_the_broker(ground: Ground) -> None:
    await ensure_stream(ground.bus, stream_config(SERVICE))
    tenant, before, first, second = (new_id() for _ in range(4))
    await publish(ground, change(tenant, before, 1))
    heard = Listener()
    subjects = [f"crm.*.{SERVICE}.*.lead.*"]
    feed = Feed(ground.bus, stream_name(SERVICE), heard.on_message, heard.on_gap, subjects)
    assert feed.silent_for_s == NEVER
    ground.run(feed.run())
    await until(lambda: feed.silent_for_s < 1)
    await publish(ground, change(tenant, first, 1))
    await until(lambda: heard.records == [first])
    await asyncio.sleep(2.2)
    assert feed.silent_for_s < 1.5, "an idle feed proves that it lives"
    ground.platform.kill("nats")
    await until(lambda: feed.silent_for_s == NEVER)
    await asyncio.to_thread(ground.platform.start, "nats")
    await until(lambda: ground.bus.connected)
    await publish(ground, change(tenant, second, 1))
    await until(lambda: heard.records == [first, second])
    assert heard.gaps == 1, "what came meanwhile is not missed"
    assert feed.silent_for_s < 1


async def test_edge_sources_the_services(ground: Ground) -> None:
    await ensure_stream(ground.bus, edge_config((SERVICE, "customer")))
    await ensure_stream(ground.bus, stream_config(SERVICE))
    assert not await ensure_stream(ground.bus, edge_config((SERVICE, "customer")))
    heard = Listener()
    feed = Feed(ground.bus, EDGE, heard.on_message, heard.on_gap)
    ground.run(feed.run())
    await until(lambda: feed.silent_for_s < 1)
    record = new_id()
    await publish(ground, change(new_id(), record, 1))
    await until(lambda: heard.records == [record])


async def test_stream_declaration_is_compared(ground: Ground) -> None:
    assert await ensure_stream(ground.bus, stream_config(SERVICE))
    smaller = replace(stream_config(SERVICE), max_bytes=64 * 1024 * 1024)
    assert not await ensure_stream(ground.bus, smaller)
    info = await ground.bus.jetstream.stream_info(stream_name(SERVICE))
    assert info.config.max_bytes == 64 * 1024 * 1024
    await ground.bus.jetstream.delete_stream(stream_name(SERVICE))
    other = replace(stream_config(SERVICE), storage=api.StorageType.MEMORY, max_bytes=1024)
    await ground.bus.jetstream.add_stream(other)
    with pytest.raises(DriftError, match="storage"):
        await ensure_stream(ground.bus, stream_config(SERVICE))
