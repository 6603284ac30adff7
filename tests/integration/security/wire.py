"""Calls of single RPCs as bytes, with whatever token and headers a test likes."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.rpc.error_details_pb2 import ErrorInfo

from chassis.rpc.client import status_of
from deploy.local.platform import Platform

SERVICES = ("identity", "customer", "sales", "marketing", "reporting")


@dataclass(frozen=True)
class Outcome:
    """How a call ended; `text` is everything that its caller was told."""

    code: grpc.StatusCode
    reason: str = ""
    text: str = ""
    data: bytes = b""


@dataclass
class Wire:
    """One channel to each service process."""

    platform: Platform
    channels: dict[str, grpc.aio.Channel] = field(init=False)

    def __post_init__(self) -> None:
        address = {name: f"127.0.0.1:{self.platform.port(name)}" for name in SERVICES}
        self.channels = {name: grpc.aio.insecure_channel(at) for name, at in address.items()}

    async def close(self) -> None:
        for channel in self.channels.values():
            await channel.close(None)

    async def call(  # a call has these parts
        self,
        process: str,
        method: str,
        request: bytes = b"",
        *,
        authorization: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Call "crm.x.v1.Service/Method" of one process; the first message of a stream counts."""
        pairs = list((headers or {}).items())
        if authorization is not None:
            pairs.append(("authorization", authorization))
        try:
            data = await self._sent(process, method, request, tuple(pairs))
        except grpc.aio.AioRpcError as error:
            status, info = status_of(error), ErrorInfo()
            if status is not None:
                status.details[0].Unpack(info)
            return Outcome(error.code(), info.reason, f"{error.details()} {status}")
        return Outcome(grpc.StatusCode.OK, data=data)

    async def _sent(
        self, process: str, method: str, request: bytes, pairs: tuple[tuple[str, str], ...]
    ) -> bytes:
        channel, path = self.channels[process], f"/{method}"
        shape = _shape(method)
        if shape is not None and shape.server_streaming:
            stream = channel.unary_stream(path, bytes, bytes)(request, timeout=10, metadata=pairs)
            return b"".join([message async for message in stream])
        if shape is not None and shape.client_streaming:
            data = await channel.stream_unary(path, bytes, bytes)(
                _once(request), timeout=10, metadata=pairs
            )
            return bytes(data)
        call = channel.unary_unary(path, bytes, bytes)(request, timeout=10, metadata=pairs)
        return bytes(await call)


def _shape(method: str) -> MethodDescriptor | None:
    service, _, name = method.partition("/")
    try:
        found = descriptor_pool.Default().FindServiceByName(service)
    except KeyError:
        return None
    return found.methods_by_name.get(name)


async def _once(request: bytes) -> AsyncIterator[bytes]:
    yield request
