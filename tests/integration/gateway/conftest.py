"""A gateway on a real port, with a real NATS server and a stand-in for the services behind it."""

import asyncio
import contextlib
import socket
import sysconfig
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from subprocess import DEVNULL, Popen

import httpx
import nats
import pytest
import uvicorn
from nats.aio.client import Client
from nats.js.api import StreamConfig

from chassis.settings import TARGETS
from chassis.telemetry.logs import configure_logs
from services.gateway.app import Gateway
from services.gateway.server import server_config
from services.gateway.settings import GatewaySettings
from tests.integration.gateway.upstream import Upstream


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="package")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A NATS server with JetStream in a folder of its own."""
    port = free_port()
    folder = tmp_path_factory.mktemp("nats")
    binary = Path(sysconfig.get_path("scripts")) / "nats-server"
    command = [str(binary), "-js", "-sd", str(folder), "-a", "127.0.0.1", "-p", str(port)]
    with Popen(command, stdout=DEVNULL, stderr=DEVNULL) as process:
        yield f"nats://127.0.0.1:{port}"
        process.terminate()


async def ignored(_: Exception) -> None:
    """The server needs a moment to start."""


@pytest.fixture(scope="package")
async def broker(nats_url: str) -> AsyncIterator[Client]:
    """A connection with the two streams that the gateway follows."""
    client = await nats.connect(
        nats_url, max_reconnect_attempts=100, reconnect_time_wait=1, error_cb=ignored
    )
    context = client.jetstream()
    await context.add_stream(
        StreamConfig(name="CRM_IDENTITY", subjects=["crm.*.identity.>"], num_replicas=1)
    )
    await context.add_stream(
        StreamConfig(name="EDGE", subjects=["crm.*.sales.>", "crm.*.customer.>"], num_replicas=1)
    )
    yield client
    await client.close()


@pytest.fixture(scope="package")
async def upstream() -> AsyncIterator[Upstream]:
    """The services."""
    server = Upstream()
    await server.start()
    yield server
    await server.stop()


class QuietServer(uvicorn.Server):
    """uvicorn without signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to pytest."""
        yield


@pytest.fixture(scope="package")
async def gateway(
    upstream: Upstream, nats_url: str, broker: Client
) -> AsyncIterator[tuple[Gateway, str]]:
    """The gateway and its address."""
    configure_logs("gateway", "CRITICAL")
    port = free_port()
    settings = GatewaySettings(
        http_host="127.0.0.1",
        http_port=port,
        nats_url=nats_url,
        service_secret="secret",
        targets=dict.fromkeys(TARGETS, upstream.address),
        log_level="CRITICAL",
        rate_per_s=100_000,
        metrics_listen="",
        otlp_endpoint="",
        trace_ratio=0.0,
        public_url="https://crm.example",
        tls_dir="",
    )
    made = Gateway(settings)
    server = QuietServer(server_config(made.application, settings))
    task = asyncio.create_task(server.serve())
    feeds = (made._identity_feed, made._edge_feed)
    while not server.started or any(feed.silent_for_s > 5 for feed in feeds):  # noqa: ASYNC110 -- no event for it
        await asyncio.sleep(0.01)
    yield made, f"http://127.0.0.1:{port}"
    made.drain()
    server.should_exit = True
    await task


@pytest.fixture
async def http(
    gateway: tuple[Gateway, str], upstream: Upstream
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of tenant t1, before services that have forgotten the test before."""
    upstream.reset()
    upstream.admit("good", "t1")
    headers = {"authorization": "Bearer good"}
    async with httpx.AsyncClient(base_url=gateway[1], headers=headers, timeout=20) as client:
        yield client
