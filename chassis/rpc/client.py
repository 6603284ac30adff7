"""Calls to the other services: one channel per target, own service token, deadlines always set."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping

import grpc
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from chassis.errors import Unavailable
from chassis.rpc.methods import ANSWER_BYTES_MAX, MethodFacts, method_facts
from chassis.rpc.tls import BALANCING, Channels
from crm.identity.v1 import session_pb2

TIMEOUT_S = 3.0
RENEW_BEFORE_S = 60.0
SESSIONS = "crm.identity.v1.SessionService"
_CONFIG = {
    **BALANCING,
    "methodConfig": [
        {
            "name": [{}],
            "waitForReady": True,
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1},
}
OPTIONS = (
    ("grpc.service_config", json.dumps(_CONFIG)),
    ("grpc.max_receive_message_length", ANSWER_BYTES_MAX),
)


class Clients:
    """Channels to all services, and the token that this service shows them.

    Only reads and methods that may be repeated are called through here, so UNAVAILABLE is retried.
    """

    def __init__(
        self, service: str, secret: str, targets: Mapping[str, str], tls_dir: str = ""
    ) -> None:
        self._service = service
        self._secret = secret
        self._channels = Channels(targets, OPTIONS, tls_dir)
        self._facts: dict[str, dict[str, MethodFacts]] = {}
        self._token = ""
        self._renew_at = 0.0
        self._renewing = asyncio.Lock()

    async def close(self) -> None:
        """Close all channels."""
        await self._channels.close()

    async def call(
        self,
        target: str,
        method: str,
        request: Message,
        *,
        token: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Message:
        """Call "crm.x.v1.Service/Method" of a service as ourselves, or as the user whose token is
        given.
        """
        facts, channel = self._method(method), self._channels.get(target)
        stub = channel.unary_unary(
            f"/{method}", facts.request.SerializeToString, facts.response.FromString
        )
        pairs = await self._metadata(token, metadata)
        return await stub(request, timeout=TIMEOUT_S, metadata=pairs)  # type: ignore[no-any-return]  # grpc's stubs are generic

    async def stream(
        self, target: str, method: str, request: Message, *, timeout_s: float
    ) -> AsyncIterator[Message]:
        """Messages of a server-streaming method, called as ourselves."""
        facts, channel = self._method(method), self._channels.get(target)
        stub = channel.unary_stream(
            f"/{method}", facts.request.SerializeToString, facts.response.FromString
        )
        pairs = await self._metadata(None, None)
        async for message in stub(request, timeout=timeout_s, metadata=pairs):
            yield message

    async def service_token(self) -> str:
        """Our own internal token, renewed a minute before it expires; Unavailable while identity is
        away.
        """
        if time.time() < self._renew_at:
            return self._token
        async with self._renewing:
            if time.time() >= self._renew_at:
                await self._renew()
        return self._token

    async def fetch_keys(self) -> str:
        """The key set of internal tokens; Unavailable while identity is away."""
        answer = await self._open_call("GetKeys", session_pb2.GetKeysRequest())
        assert isinstance(answer, session_pb2.GetKeysResponse)
        return answer.jwks

    async def _renew(self) -> None:
        request = session_pb2.IssueServiceTokenRequest(service=self._service, secret=self._secret)
        answer = await self._open_call("IssueServiceToken", request)
        assert isinstance(answer, session_pb2.InternalToken)
        self._token = answer.token
        self._renew_at = answer.expire_time.seconds - RENEW_BEFORE_S

    async def _open_call(self, name: str, request: Message) -> Message:
        facts = self._method(f"{SESSIONS}/{name}")
        stub = self._channels.get("identity").unary_unary(
            f"/{SESSIONS}/{name}", facts.request.SerializeToString, facts.response.FromString
        )
        try:
            return await stub(request, timeout=TIMEOUT_S)  # type: ignore[no-any-return]  # grpc's stubs are generic
        except grpc.aio.AioRpcError as error:
            raise Unavailable(
                "IDENTITY_UNAVAILABLE", "The identity service is away; try again."
            ) from error

    async def _metadata(
        self, token: str | None, metadata: Mapping[str, str] | None
    ) -> tuple[tuple[str, str], ...]:
        bearer = token if token is not None else await self.service_token()
        return (("authorization", f"Bearer {bearer}"), *(metadata or {}).items())

    def _method(self, method: str) -> MethodFacts:
        service, _, name = method.partition("/")
        if service not in self._facts:
            self._facts[service] = method_facts(service)
        return self._facts[service][name]


def status_of(error: grpc.aio.AioRpcError) -> Status | None:
    """The google.rpc.Status that came with an error, if one did."""
    pairs: Iterable[tuple[str, str | bytes]] = error.trailing_metadata() or ()  # type: ignore[assignment]  # pairs, which the stubs hide
    details = dict(pairs).get("grpc-status-details-bin")
    return Status.FromString(details) if isinstance(details, bytes) else None
