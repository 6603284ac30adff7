"""Figures of this machine, logged: rates of relay and consumer, commit to subscriber."""

import asyncio
import statistics
import time

import structlog

from chassis.events.consumer import Mode
from chassis.events.feed import Feed, Told
from chassis.events.streams import stream_name
from chassis.ids import new_id
from tests.integration.chassis.events.ground import SERVICE, Ground, change, until
from tests.integration.chassis.events.reading import all_out
from tests.integration.chassis.events.tally import Tally, applied, consume

IMPORTED = 8800
log = structlog.get_logger()


async def test_import_is_out_soon_and_consumed(ground: Ground) -> None:
    tenant = new_id()
    rows = [change(tenant, new_id(), 1, lane=1) for _ in range(IMPORTED)]
    for start in range(0, IMPORTED, 1100):
        await ground.write(*rows[start : start + 1100], tenant=tenant)
    ground.relay()
    published_s = await until(lambda: all_out(ground), 30)
    assert await ground.stream_messages() == IMPORTED
    tally = Tally()
    consume(ground, tally, Mode.ORDERED)
    consumed_s = await until(lambda: len(tally.seen) == IMPORTED, 30)
    assert await applied(ground) == IMPORTED
    log.info(
        "measured",
        published_per_s=round(IMPORTED / published_s),
        consumed_per_s=round(IMPORTED / consumed_s),
    )
    assert published_s < 10


async def test_commit_to_subscriber(ground: Ground) -> None:
    relay = ground.relay()
    await until(lambda: relay.leads)
    seen: dict[str, float] = {}

    def on_message(told: Told) -> None:
        seen[told.headers["ce-subject"]] = time.perf_counter()

    feed = Feed(ground.bus, stream_name(SERVICE), on_message, lambda _: seen.clear())
    ground.run(feed.run())
    await until(lambda: feed.silent_for_s < 1)
    for woken in (False, True):
        times = await latencies(ground, seen, relay.wake if woken else None)
        log.info("measured", woken=woken, p50_ms=times[0], p99_ms=times[1])
        assert times[1] < 500


async def latencies(ground: Ground, seen: dict[str, float], wake: object) -> tuple[float, float]:
    """Median and 99th percentile in ms of 150 changes at about 100 a second."""
    tenant = new_id()
    committed: dict[str, float] = {}
    for _ in range(150):
        record = new_id()
        await ground.write(change(tenant, record, 1), tenant=tenant)
        committed[record] = time.perf_counter()
        if callable(wake):
            wake()
        await asyncio.sleep(0.008)
    await until(lambda: committed.keys() <= seen.keys())
    times = [1000 * (seen[record] - committed[record]) for record in committed]
    return round(statistics.median(times), 1), round(statistics.quantiles(times, n=100)[98], 1)
