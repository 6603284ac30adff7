"""A stand-in for the services behind the gateway: a gRPC server whose answers a test decides."""

import base64
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status

from chassis.errors import CrmError, Unauthenticated, to_status
from crm.identity.v1 import session_pb2

SESSIONS = "/crm.identity.v1.SessionService"
Context: TypeAlias = "grpc.aio.ServicerContext[Message, Message]"
Answer = Callable[[Message, Context], Awaitable[Message]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Message, Message]"


@dataclass
class Seen:
    """One call as it arrived."""

    path: str
    request: Message
    metadata: dict[str, str]


@dataclass
class Upstream:
    """Answers by RPC path; remembers what it was asked."""

    address: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    streams: dict[str, Handler] = field(default_factory=dict)
    types: dict[str, tuple[type[Message], type[Message]]] = field(default_factory=dict)
    calls: list[Seen] = field(default_factory=list)
    people: dict[str, session_pb2.InternalToken] = field(default_factory=dict)
    server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self.server = grpc.aio.server()
        self.server.add_generic_rpc_handlers((_Handlers(self),))
        port = self.server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        await self.server.start()
        self.reset()

    async def stop(self) -> None:
        """Close the port."""
        if self.server is not None:
            await self.server.stop(None)

    def reset(self) -> None:
        """Forget everything but how to issue and exchange tokens."""
        self.answers.clear()
        self.streams.clear()
        self.calls.clear()
        self.people.clear()
        self.answer(
            f"{SESSIONS}/IssueServiceToken",
            session_pb2.IssueServiceTokenRequest,
            session_pb2.InternalToken(token="service", expire_time=later(300)),
        )
        self.types[f"{SESSIONS}/ExchangeToken"] = (
            session_pb2.ExchangeTokenRequest,
            session_pb2.InternalToken,
        )
        self.answers[f"{SESSIONS}/ExchangeToken"] = self._exchange

    def answer(
        self, path: str, request: type[Message], answer: Message | CrmError | Answer
    ) -> None:
        """Answer a method with a message, an error or a function."""
        self.types[path] = (request, type(answer) if isinstance(answer, Message) else request)
        if isinstance(answer, Message):
            self.answers[path] = _constant(answer)
        elif isinstance(answer, CrmError):
            self.answers[path] = _refusal(answer)
        else:
            self.answers[path] = answer

    def admit(
        self,
        token: str,
        tenant: str,
        user: str = "u1",
        roles: tuple[str, ...] = (),
        scope: str = "",
    ) -> None:
        """Know an access token."""
        claims = json.dumps({"roles": list(roles), "company": "", "scope": scope}).encode()
        payload = base64.urlsafe_b64encode(claims).decode().rstrip("=")
        self.people[token] = session_pb2.InternalToken(
            token=f"h.{payload}.s",
            expire_time=later(300),
            tenant_id=tenant,
            principal_id=user,
            session_id=f"session-{token}",
        )

    def seen(self, path: str) -> list[Seen]:
        """The calls of one method."""
        return [call for call in self.calls if call.path == path]

    async def _exchange(self, request: Message, context: Context) -> Message:
        assert isinstance(request, session_pb2.ExchangeTokenRequest)
        found = self.people.get(request.access_token)
        if found is None:
            await refuse(context, Unauthenticated("SESSION_INVALID", "No such session."))
            raise AssertionError
        return found


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs only
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        path = handler_call_details.method
        upstream = self._upstream
        if path in upstream.streams:
            return upstream.streams[path]
        if path not in upstream.answers:
            return None

        async def run(request: Message, context: Context) -> Message:
            metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
            upstream.calls.append(Seen(path, request, metadata))
            return await upstream.answers[path](request, context)

        return grpc.unary_unary_rpc_method_handler(
            run,
            request_deserializer=upstream.types[path][0].FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


def _constant(message: Message) -> Answer:
    async def run(_: Message, __: Context) -> Message:
        return message

    return run


def _refusal(error: CrmError) -> Answer:
    async def run(_: Message, context: Context) -> Message:
        await refuse(context, error)
        raise AssertionError

    return run


async def refuse(context: Context, error: CrmError) -> None:
    """End a call as our services do."""
    status: Status = to_status(error, "test")
    await context.abort(
        error.status,
        error.message,
        (("grpc-status-details-bin", status.SerializeToString()),),
    )


def later(seconds: int) -> Timestamp:
    """A moment so many seconds from now."""
    return Timestamp(seconds=int(time.time()) + seconds)
