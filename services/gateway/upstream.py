"""Calls to the services: one channel per target, deadlines, and retries of what may be repeated."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from chassis.access.field_rules import HIDDEN_FIELDS
from chassis.rpc.methods import ANSWER_BYTES_MAX
from chassis.rpc.tls import BALANCING, Channels
from services.gateway.exchange import RPC_TIMEOUT_S, Metadata

Answer = TypeVar("Answer", bound=Message)
ATTEMPTS = 3
BACKOFF_S = 0.05
BACKOFF_MAX_S = 0.5
_MESSAGE_MAX_BYTES = 4 * 1024 * 1024
_OPTIONS = (
    ("grpc.max_receive_message_length", ANSWER_BYTES_MAX),
    ("grpc.max_send_message_length", _MESSAGE_MAX_BYTES + 64 * 1024),
    ("grpc.max_metadata_size", 16_384),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.service_config", json.dumps(BALANCING)),
    # This module retries, because whether a call may be repeated is known per call only.
    ("grpc.enable_retries", 0),
)


class Throttle:
    """Stops retries while a service mostly fails (gRFC A6)."""

    def __init__(self, tokens_max: float = 20.0, ratio: float = 0.1) -> None:
        self._tokens = self._max = tokens_max
        self._ratio = ratio

    def succeeded(self) -> None:
        """Earn a part of a token."""
        self._tokens = min(self._max, self._tokens + self._ratio)

    def failed(self) -> bool:
        """Lose a token; whether a retry is allowed now."""
        self._tokens = max(0.0, self._tokens - 1.0)
        return self._tokens > self._max / 2


class Rpc(Generic[Answer]):
    """One unary method of one service."""

    def __init__(
        self,
        method: "Callable[[], grpc.aio.UnaryUnaryMultiCallable[Message, Answer]]",
        throttle: Throttle,
    ) -> None:
        self._method = method
        self._throttle = throttle

    async def __call__(
        self,
        request: Message,
        metadata: Metadata = (),
        *,
        repeatable: bool = False,
        timeout_s: float = RPC_TIMEOUT_S,
    ) -> Answer:
        """The answer, or grpc.aio.AioRpcError; a repeatable call is tried up to three times."""
        return (await self.told(request, metadata, repeatable, timeout_s))[0]

    async def told(
        self, request: Message, metadata: Metadata, repeatable: bool, timeout_s: float
    ) -> tuple[Answer, frozenset[str]]:
        """The answer, and the fields that are hidden from the caller."""
        clock = asyncio.get_running_loop().time
        end = clock() + timeout_s
        attempt = 1
        while True:
            try:
                left = max(0.001, end - clock())
                call = self._method()(request, metadata=metadata, timeout=left)
                answer, trailing = await call, await call.trailing_metadata()
            except grpc.aio.AioRpcError as error:
                pause = _pause_s(attempt)
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                allowed = self._throttle.failed() and repeatable and attempt < ATTEMPTS
                if not allowed or clock() + pause >= end:
                    raise
                attempt += 1
                await asyncio.sleep(pause)
            else:
                self._throttle.succeeded()
                return answer, _hidden(trailing)


class Upstreams:
    """The channels to all services; close them at the end."""

    def __init__(self, targets: Mapping[str, str], tls_dir: str) -> None:
        self._channels = Channels(targets, _OPTIONS, tls_dir)
        self._throttles = {name: Throttle() for name in targets}

    @property
    def names(self) -> tuple[str, ...]:
        """The services there are."""
        return self._channels.targets

    def unary(self, target: str, path: str, answer: type[Answer]) -> Rpc[Answer]:
        """A unary method, for example ("sales", "/crm.sales.v1.LeadService/GetLead", Lead)."""

        def method() -> "grpc.aio.UnaryUnaryMultiCallable[Message, Answer]":
            return self._channels.get(target).unary_unary(
                path, request_serializer=_serialize, response_deserializer=answer.FromString
            )

        return Rpc(method, self._throttles[target])

    def unary_stream(
        self, target: str, path: str, answer: type[Answer]
    ) -> "Callable[[], grpc.aio.UnaryStreamMultiCallable[Message, Answer]]":
        """A method that answers with a stream."""
        return lambda: self._channels.get(target).unary_stream(
            path, request_serializer=_serialize, response_deserializer=answer.FromString
        )

    def stream_unary(
        self, target: str, path: str, answer: type[Answer]
    ) -> "Callable[[], grpc.aio.StreamUnaryMultiCallable[Message, Answer]]":
        """A method that is sent a stream."""
        return lambda: self._channels.get(target).stream_unary(
            path, request_serializer=_serialize, response_deserializer=answer.FromString
        )

    async def close(self) -> None:
        """Close all channels; calls under way get five seconds."""
        await self._channels.close(grace_s=5)


def _hidden(trailing: "grpc.aio.Metadata | None") -> frozenset[str]:
    found = next((value for key, value in trailing or () if key == HIDDEN_FIELDS), None)
    return frozenset(str(found).split(",")) if found else frozenset()


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _pause_s(attempt: int, jitter: Callable[[], float] = random.random) -> float:
    """Seconds before the next attempt: 50 ms doubled each time, up to 500 ms, at least half of it:
    at once it would meet the same server that is about to stop.
    """
    return (0.5 + jitter() / 2) * min(BACKOFF_MAX_S, BACKOFF_S * float(2 ** (attempt - 1)))
