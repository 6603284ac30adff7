"""Waiting for components: gRPC health of a service, HTTP health of the gateway."""

import http.client
import time
from collections.abc import Callable
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.settings import HOST

POLL_S: Final = 0.05


def wait_for(ready: Callable[[], bool], alive: Callable[[], bool], timeout_s: float) -> bool:
    """Whether `ready` came true within `timeout_s` while `alive` stayed true."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if not alive() or time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def grpc_is_serving(port: int, host: str = HOST) -> bool:
    """Whether the service behind the port says SERVING for itself as a whole."""
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=1.0
            )
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def http_is_healthy(port: int, path: str = "/healthz") -> bool:
    """Whether GET answers 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=1.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
