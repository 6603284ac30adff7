"""Looks at the processes of an installation: gateway, metrics ports, gRPC health."""

import asyncio
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from cli.doctor.facts import Facts, Probe, Sample
from cli.doctor.places import Places
from cli.doctor.stores import look_at_backups, look_at_broker, look_at_disks, look_at_schemas

TIMEOUT_S = 3.0
# Work that fails is begun anew every second: two looks so far apart show it.
APART_S = 2.0


async def look(places: Places) -> Facts:
    """Everything, in about APART_S seconds when all answer."""
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
        _, before = await _metrics(client, places.metrics)
        broker, schemas, health, _ = await asyncio.gather(
            look_at_broker(places.nats_url, places.tls_dir),
            look_at_schemas(places.databases),
            _health(places.health),
            asyncio.sleep(APART_S),
        )
        processes, samples = await _metrics(client, places.metrics)
        gateway = await _gateway(client, places.url) if places.url else None
    return Facts(
        now=datetime.now(UTC),
        gateway=gateway,
        processes=processes,
        before=before,
        samples=samples,
        health=health,
        broker=broker,
        schemas=schemas,
        disks=look_at_disks(places.folders),
        backups=look_at_backups(places.backups),
        local=places.local,
    )


async def _gateway(client: httpx.AsyncClient, url: str) -> Probe:
    try:
        response = await client.get(f"{url}/readyz")
    except httpx.HTTPError as error:
        return Probe(url, f"does not answer ({type(error).__name__})")
    problem = "" if response.is_success else f"is not ready ({response.status_code})"
    return Probe(f"version {_version(response)} at {url}", problem, _clock_off_s(response))


def _version(response: httpx.Response) -> str:
    """What a gateway says of itself when asked whether it is ready."""
    try:
        return str(response.json()["version"])
    except (ValueError, TypeError, KeyError):
        return "?"


async def _metrics(
    client: httpx.AsyncClient, addresses: Mapping[str, str]
) -> tuple[list[Probe], list[Sample]]:
    """All processes behind the addresses: a name may stand for several."""
    asked = [
        _process(client, service, one)
        for service, address in addresses.items()
        for one in await _resolved(address)
    ]
    answers = await asyncio.gather(*asked)
    return [probe for probe, _ in answers], [one for _, samples in answers for one in samples]


async def _process(
    client: httpx.AsyncClient, service: str, address: str
) -> tuple[Probe, list[Sample]]:
    name = f"{service} ({address})"
    try:
        response = (await client.get(f"http://{address}/metrics")).raise_for_status()
        samples = [
            Sample(service.partition(".")[0], address, one.name, one.labels, one.value)
            for family in text_string_to_metric_families(response.text)
            for one in family.samples
        ]
    except (httpx.HTTPError, ValueError) as error:
        return Probe(name, f"does not answer ({type(error).__name__})"), []
    return Probe(name, "", _clock_off_s(response)), samples


async def _resolved(address: str) -> list[str]:
    """The address once for each host behind its name; by IPv4 where there is that."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            found = await loop.getaddrinfo(host.strip("[]"), int(port), family=family)
            hosts = sorted({str(one[4][0]) for one in found})
            return [f"[{one}]:{port}" if ":" in one else f"{one}:{port}" for one in hosts]
    return [address]


async def _health(addresses: Mapping[str, str]) -> list[Probe]:
    asked = [
        _serving(service, one)
        for service, address in addresses.items()
        for one in await _resolved(address)
    ]
    return await asyncio.gather(*asked)


async def _serving(service: str, address: str) -> Probe:
    name = f"{service} ({address})"
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S
            )
        except grpc.aio.AioRpcError as error:
            return Probe(name, f"answers no calls ({error.code().name})")
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return Probe(name)
    return Probe(name, "says that it does not serve")


def _clock_off_s(response: httpx.Response) -> float | None:
    """How far the other clock is ahead, by the Date header, which cuts off what is below a second;
    0 while that may be the whole difference.
    """
    try:
        told = parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None
    now = time.time()
    return max(0.0, told - now) or min(0.0, told + 1.0 - now)
