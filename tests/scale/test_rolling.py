"""Every process is restarted under load, as a new release does it: no request fails."""

import asyncio
import time

import pytest

from deploy.local.platform import Platform
from deploy.local.settings import GATEWAY, NATS, POSTGRES, SERVICES
from tests.scale.conftest import REPLICAS
from tests.scale.load import Load


@pytest.mark.timeout(300)
async def test_rolling_restart_fails_no_request(
    replicated: Platform, load: Load, figures: list[str]
) -> None:
    """All services at once, each one replica after the other."""
    load.start()
    await asyncio.sleep(1.0)
    before, began = replicated.pids(), time.monotonic()
    for number in range(REPLICAS):
        names = [replicated.instances(service)[number] for service in (*SERVICES, GATEWAY)]
        await asyncio.gather(*(asyncio.to_thread(replicated.restart, name) for name in names))
        await asyncio.sleep(0.5)
    took = time.monotonic() - began
    await load.stop()
    after = replicated.pids()
    assert {name for name in before if before[name] == after[name]} == {POSTGRES, NATS}
    assert load.problems == []
    assert dict(load.failed) == {}
    assert dict(load.balancer.refused) == {}
    figures.append(
        f"rolling restart of {len(after) - 2} processes in {took:.0f} s: {load.requests} requests,"
        f" none failed, the slowest {load.longest_s:.2f} s"
    )
