"""The three brokers of production on loopback: copies of a stream, and who may write to it."""

import asyncio
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest
from nats.errors import Error as NatsError
from nats.js.errors import APIError
from prometheus_client import REGISTRY

from chassis.events.bus import Bus
from chassis.events.streams import edge_config, ensure_stream, stream_config
from cli.doctor.stores import look_at_broker
from deploy.local.broker import BINARY
from deploy.local.settings import SERVICES
from deploy.manifests import broker
from deploy.manifests.certificates import Authority
from deploy.manifests.development import new_values
from deploy.manifests.secrets import filled, templates
from deploy.manifests.services import BACKUP, TOOLBOX
from deploy.tenants.messages import purge_edge, remove_messages

READY_S = 30.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on just now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Brokers:
    """The servers as rendered, but for paths, ports and the names of their routes."""

    def __init__(self, folder: Path) -> None:
        self.tls = folder / "tls"
        self._values = new_values()
        clients, routes, monitors = (free_ports(broker.NODES) for _ in range(3))
        self._port = clients[0]
        self.tls.mkdir()
        (folder / "users").mkdir()
        for name, content in Authority().issue(["localhost"]).items():
            (self.tls / name).write_text(content)
        users = filled(templates()["nats-users"], self._values)["users.conf"]
        (folder / "users" / "users.conf").write_text(users)
        for node in range(broker.NODES):
            text = broker.configuration(broker.NODES)
            for other, port in enumerate(routes):
                text = text.replace(f"nats-{other}.nats-routes:6222", f"localhost:{port}")
            for old, new in (
                ("port: 6222", f"port: {routes[node]}"),
                ("port: 4222", f"host: 127.0.0.1\nport: {clients[node]}"),
                ("http: 8222", f"http: 127.0.0.1:{monitors[node]}"),
                (broker.STORE, str(folder / f"store-{node}")),
                (broker.TLS, str(self.tls)),
            ):
                assert old in text
                text = text.replace(old, new)
            text = re.sub(r"max_file_store: \d+", "max_file_store: 4GB", text)
            (folder / f"store-{node}").mkdir()
            (folder / f"config-{node}").mkdir()
            (folder / f"config-{node}" / "nats.conf").write_text(text)
        self.processes = [
            Popen(
                [BINARY, "--config", folder / f"config-{node}" / "nats.conf"],
                env={"POD_NAME": f"nats-{node}"},
                stdout=DEVNULL,
                stderr=DEVNULL,
            )
            for node in range(broker.NODES)
        ]

    async def bus(self, service: str) -> Bus:
        """A connection as the user of a service."""
        bus = Bus(lambda: None)
        await bus.open(self.url(service), service, str(self.tls))
        return bus

    def url(self, user: str) -> str:
        """Where a user connects, with the password."""
        return f"tls://{user}:{self._values[f'{user}_nats_password']}@localhost:{self._port}"


@pytest.fixture(scope="module")
async def brokers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Brokers]:
    """Three servers that have found each other."""
    made = Brokers(tmp_path_factory.mktemp("brokers"))
    try:
        bus = await made.bus("sales")
        async with asyncio.timeout(READY_S):
            while not await _has_leader(bus):  # noqa: ASYNC110  # there is no event for it
                await asyncio.sleep(0.2)
        await bus.close()
        yield made
    finally:
        for process in made.processes:
            process.kill()
            process.wait()


async def _has_leader(bus: Bus) -> bool:
    try:
        await bus.jetstream.account_info()
    except (NatsError, APIError, TimeoutError):
        return False
    return True


async def test_streams_have_three_copies(brokers: Brokers) -> None:
    for service in SERVICES:
        bus = await brokers.bus(service)
        assert await ensure_stream(bus, stream_config(service, broker.NODES))
        if service == SERVICES[-1]:
            assert await ensure_stream(bus, edge_config(SERVICES, broker.NODES))
            assert not await ensure_stream(bus, edge_config(SERVICES, broker.NODES))
        info = await bus.jetstream.stream_info(f"CRM_{service.upper()}")
        assert info.cluster is not None
        assert len(info.cluster.replicas or []) == broker.NODES - 1
        await bus.close()


async def test_the_doctor_sees_the_streams_and_reads_nothing(brokers: Brokers) -> None:
    seen = await look_at_broker(brokers.url(TOOLBOX), str(brokers.tls))
    assert seen is not None
    assert (seen.problem, len(seen.streams)) == ("", len(SERVICES) + 1)
    bus = await brokers.bus(TOOLBOX)
    try:
        for attempt in (
            bus.jetstream.get_msg("CRM_SALES", seq=1),
            bus.jetstream.delete_stream("CRM_SALES"),
            bus.jetstream.publish("crm.x.sales.00.lead.created", b"{}", timeout=1),
        ):
            with pytest.raises((NatsError, APIError, TimeoutError)):
                await asyncio.wait_for(attempt, 1)
    finally:
        await bus.close()
    ends = REGISTRY.get_sample_value("crm_tls_expiry_timestamp_seconds", {"of": "nats"})
    assert ends is not None
    assert ends > time.time()


async def test_who_backs_up_deletes_messages_of_a_tenant_and_no_others(brokers: Brokers) -> None:
    gone, stays = secrets.token_hex(4), secrets.token_hex(4)
    sales, backup = await brokers.bus("sales"), await brokers.bus(BACKUP)
    try:
        for tenant in (gone, stays, gone):
            await sales.jetstream.publish(f"crm.{tenant}.sales.00.lead.created", b"{}")
        assert await remove_messages(backup.client, "sales", gone) == 2
        await purge_edge(backup.client, gone)
        assert await purge_edge(backup.client, gone) == 0
        assert await remove_messages(backup.client, "sales", stays) == 1
        assert await backup.jetstream.consumers_info("CRM_SALES") is not None
    finally:
        await sales.close()
        await backup.close()


async def test_a_service_writes_to_its_own_stream_alone(brokers: Brokers) -> None:
    tenant = secrets.token_hex(4)
    sales, customer = await brokers.bus("sales"), await brokers.bus("customer")
    try:
        subject = f"crm.{tenant}.sales.00.lead.created"
        await sales.jetstream.publish(subject, b"{}")
        with pytest.raises((NatsError, TimeoutError)):
            await customer.jetstream.publish(subject, b"{}", timeout=1)
        for attempt in (
            customer.jetstream.delete_stream("CRM_SALES"),
            customer.jetstream.purge_stream("CRM_SALES"),
            customer.jetstream.update_stream(stream_config("sales")),
        ):
            with pytest.raises((NatsError, APIError, TimeoutError)):
                await attempt
        info = await sales.jetstream.stream_info("CRM_SALES")
        assert info.state.messages == 1
    finally:
        await sales.close()
        await customer.close()
