"""Mutual TLS: who has no certificate of our authority stays out; renewal needs no restart."""

import os
import shutil
import socket
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.rpc.tls import Channels, add_port
from deploy.manifests.certificates import Authority

SERVING = health_pb2.HealthCheckResponse.SERVING


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Put certificates into a folder, newer than what was there."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
        os.utime(folder / name, ns=(time.time_ns(), time.time_ns()))
    return folder


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def folder(tmp_path: Path, authority: Authority) -> Path:
    return write(tmp_path / "tls", authority.issue(["localhost"]))


@pytest.fixture
async def address(folder: Path) -> AsyncIterator[str]:
    """A server that wants certificates."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = f"localhost:{probe.getsockname()[1]}"
    server = grpc.aio.server()
    servicer = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the module has no stubs
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    add_port(server, found, str(folder))
    await server.start()
    yield found
    await server.stop(None)


async def asked(channel: grpc.aio.Channel) -> health_pb2.HealthCheckResponse:
    """The answer to a health check."""
    stub = health_pb2_grpc.HealthStub(channel)
    answer: health_pb2.HealthCheckResponse = await stub.Check(
        health_pb2.HealthCheckRequest(), timeout=5
    )
    return answer


async def test_a_client_of_ours_is_answered_after_renewal_too(
    address: str, folder: Path, authority: Authority
) -> None:
    channels = Channels({"x": address}, (), str(folder))
    first = channels.get("x")
    assert (await asked(first)).status == SERVING
    assert channels.get("x") is first
    write(folder, authority.issue(["localhost"]))
    second = channels.get("x")
    assert second is not first
    assert (await asked(second)).status == SERVING
    await channels.close()


async def test_a_new_authority_takes_effect_without_a_restart(
    address: str, folder: Path, tmp_path: Path
) -> None:
    old = Channels({"x": address}, (), str(folder))
    assert (await asked(old.get("x"))).status == SERVING
    kept = tmp_path / "old"
    shutil.copytree(folder, kept)
    write(folder, Authority().issue(["localhost"]))
    assert (await asked(old.get("x"))).status == SERVING
    stale = Channels({"x": address}, (), str(kept))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await asked(stale.get("x"))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    await old.close()
    await stale.close()


async def test_strangers_are_refused(address: str, folder: Path, tmp_path: Path) -> None:
    authority = (folder / "ca.crt").read_bytes()
    strange = write(tmp_path / "strange", Authority().issue(["localhost"]))
    pair = ((strange / "tls.key").read_bytes(), (strange / "tls.crt").read_bytes())
    for channel in (
        grpc.aio.insecure_channel(address),
        grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(authority)),
        grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(authority, *pair)),
    ):
        async with channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await asked(channel)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
