"""The edge of a service: every RPC is verified, bounded, run in one transaction, and fails in one
way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

import asyncpg
import grpc
import structlog
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.access.field_rules import HIDDEN_FIELDS
from chassis.access.people import AccessBehind
from chassis.call import Call
from chassis.codec.validate import validator
from chassis.db.errors import translate
from chassis.db.pool import Database
from chassis.disclosure import Disclosures, Tell
from chassis.errors import Aborted, CrmError, InvalidArgument, Unavailable, to_status
from chassis.resource.idempotency import replay
from chassis.rpc.authority import Authority
from chassis.rpc.methods import (
    ANSWER_BYTES_MAX,
    ClientStream,
    Free,
    Handler,
    MethodFacts,
    Methods,
    Reread,
    ServerStream,
    Unary,
    method_facts,
)
from chassis.rpc.serving import Context, Meter, Serving
from chassis.rpc.tls import add_port
from chassis.telemetry.metrics import watch_calls

OPTIONS = (
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.max_send_message_length", ANSWER_BYTES_MAX),
    ("grpc.max_metadata_size", 16384),
    ("grpc.keepalive_time_ms", 60000),
    ("grpc.keepalive_timeout_ms", 10000),
    ("grpc.http2.min_ping_interval_without_data_ms", 30000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.max_connection_age_ms", 300000),
    ("grpc.max_connection_age_grace_ms", 30000),
    ("grpc.so_reuseport", 0),
)
CONCURRENT_CALLS_MAX = 200
# Clients hear that we are leaving and turn to other replicas before we refuse anything.
LEAVE_S = 1.0
STOP_GRACE_S = 20.0
DRAIN_MAX_S = 30.0
# What is alive while it refuses new calls is not to be killed.
LIVENESS = "liveness"
UNREADABLE: Message = Empty()

Work: TypeAlias = Callable[[Call, Message], Awaitable[Message]]
log = structlog.get_logger()


class RpcServer:
    """Serves methods by full service name; every RPC of a service needs a handler and an access
    rule.
    """

    def __init__(
        self,
        service: str,
        database: Database,
        authority: Authority,
        on_change: Callable[[str], None],
        disclosures: Disclosures,
    ) -> None:
        self._service = service
        self._database = database
        self._authority = authority
        self._disclosures = disclosures
        self.on_change = on_change
        self._running: set[asyncio.Future[Message]] = set()
        watch_calls(lambda: len(self._running))
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the module has no stubs
        self._server = grpc.aio.server(
            options=OPTIONS, maximum_concurrent_rpcs=CONCURRENT_CALLS_MAX
        )
        self._health_server = grpc.aio.server(options=OPTIONS)

    def add(self, name: str, methods: Methods) -> None:
        """Register the handlers of one service; a missing or surplus one raises ValueError."""
        facts = method_facts(name)
        if set(facts) != set(methods):
            odd = ", ".join(sorted(set(facts) ^ set(methods)))
            raise ValueError(f"{name}: methods without a counterpart: {odd}")
        handlers = {method: self._wrap(facts[method], methods[method]) for method in methods}
        generic = grpc.method_handlers_generic_handler(name, handlers)
        self._server.add_generic_rpc_handlers((generic,))

    async def start(self, listen: str, tls_dir: str = "", health_listen: str = "") -> None:
        """Listen and report healthy; raises RuntimeError when an address is taken."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        add_port(self._server, listen, tls_dir)
        if health_listen:  # Kubernetes has no certificate to show
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._health_server)
            self._health_server.add_insecure_port(health_listen)
            await self._health_server.start()
        await self._server.start()
        for name in ("", LIVENESS):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """Send clients elsewhere, then refuse new calls, finish those in flight within
        STOP_GRACE_S.
        """
        await self._health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        await asyncio.sleep(LEAVE_S)
        await self._server.stop(STOP_GRACE_S)
        await self._health_server.stop(None)
        if self._running:
            await asyncio.wait(self._running, timeout=STOP_GRACE_S)

    def _wrap(
        self, facts: MethodFacts, handler: Handler
    ) -> grpc.RpcMethodHandler[Message, Message]:
        codecs = (_reader(facts.request), facts.response.SerializeToString)
        match handler:
            case Unary() | Free():
                return grpc.unary_unary_rpc_method_handler(self._unary(facts, handler), *codecs)
            case ServerStream():
                return grpc.unary_stream_rpc_method_handler(
                    self._streaming(facts, handler), *codecs
                )
            case ClientStream():
                return grpc.stream_unary_rpc_method_handler(
                    self._uploading(facts, handler), *codecs
                )

    def _unary(
        self, facts: MethodFacts, handler: Unary | Free
    ) -> Callable[[Message, Context], Awaitable[Message]]:
        check, meter = validator(facts.request), Meter(facts.full_name)
        work = handler.run if isinstance(handler, Free) else self._in_transaction(facts, handler)

        async def serve(request: Message, context: Context) -> Message:
            with meter.begin(context) as serving:
                try:
                    call = serving.admitted(await self._authority.admit(facts, request, context))
                    _tell_hidden(facts, call, context)
                    _require_readable(request)
                    _refuse(check(request))
                    # A client that gives up must not tear a transaction apart: the work goes on
                    # by itself.
                    task = asyncio.ensure_future(self._known(work, call, request))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                    return await asyncio.shield(task)
                except Exception as error:
                    await self._fail(error, serving, context)
                    raise

        return serve

    def _in_transaction(self, facts: MethodFacts, handler: Unary) -> Work:
        database, run, reread = self._database, handler.run, handler.reread
        if facts.changes != (reread is not None):
            raise ValueError(f"{facts.full_name}: reread is for methods that change records")
        tell = self._disclosures.of(facts.response)

        async def work(call: Call, request: Message) -> Message:
            try:
                async with database.transaction(call.tenant_id, call.traceparent) as tx:
                    answer = await run(call, tx, request)
                    key = call.idempotency
                    if reread is not None and key is not None and not key.taken:
                        # Nothing to change now: there may have been when the key was first used.
                        answer = await replay(call, tx, key, reread) or answer
                    if tell is not None:
                        await tell(call, tx, answer)
            except (asyncpg.PostgresError, CrmError) as error:
                if call.idempotency is None or reread is None:
                    raise
                return await self._repeat(call, reread, tell, error)
            if facts.changes:
                self.on_change(call.tenant_id)
            return answer

        return work

    async def _known(self, work: Work, call: Call, request: Message) -> Message:
        """The answer, after a second try when the call names somebody who is new."""
        try:
            return await work(call, request)
        except AccessBehind:
            return await work(await self._authority.renewed(call), request)

    async def _repeat(
        self, call: Call, reread: Reread, tell: Tell | None, error: Exception
    ) -> Message:
        """The answer to a repeated call whose first one has succeeded; else the error."""
        assert call.idempotency is not None
        async with self._database.transaction(call.tenant_id) as tx:
            answer = await replay(call, tx, call.idempotency, reread)
            if answer is not None and tell is not None:
                await tell(call, tx, answer)
        if answer is not None:
            return answer
        if isinstance(error, asyncpg.LockNotAvailableError):
            raise Aborted(
                "IDEMPOTENCY_IN_FLIGHT", "A request with this idempotency key is still running."
            ) from error
        raise error

    def _streaming(
        self, facts: MethodFacts, handler: ServerStream
    ) -> Callable[[Message, Context], AsyncIterator[Message]]:
        check, meter = validator(facts.request), Meter(facts.full_name)

        async def serve(request: Message, context: Context) -> AsyncIterator[Message]:
            with meter.begin(context) as serving:
                try:
                    call = serving.admitted(await self._authority.admit(facts, request, context))
                    _require_readable(request)
                    _refuse(check(request))
                    async for message in handler.run(call, request):
                        yield message
                except Exception as error:
                    await self._fail(error, serving, context)
                    raise

        return serve

    def _uploading(
        self, facts: MethodFacts, handler: ClientStream
    ) -> Callable[[AsyncIterator[Message], Context], Awaitable[Message]]:
        meter = Meter(facts.full_name)

        async def serve(requests: AsyncIterator[Message], context: Context) -> Message:
            with meter.begin(context) as serving:
                try:
                    call = await self._authority.admit(facts, None, context)
                    return await handler.run(serving.admitted(call), _readable(requests))
                except Exception as error:
                    await _drain(requests)
                    await self._fail(error, serving, context)
                    raise

        return serve

    async def _fail(self, error: Exception, serving: Serving, context: Context) -> None:
        """End the call with the error's status; what is our own fault is logged and told without
        detail.
        """
        if isinstance(error, grpc.aio.AbortError):
            return
        shown = _shown(error)
        if shown is None:
            log.error("call failed", method=serving.method, trace_id=serving.trace_id,
                      tenant_id=serving.tenant_id, exc_info=error)  # fmt: skip
            shown = CrmError("INTERNAL", "Something went wrong on our side.")
        status = to_status(shown, self._service)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        await context.abort(shown.status, status.message)


def _tell_hidden(facts: MethodFacts, call: Call, context: Context) -> None:
    """Name the fields that the answer lacks."""
    hidden = call.field_access(facts.access.resource).hidden
    if hidden:
        context.set_trailing_metadata(((HIDDEN_FIELDS, ",".join(sorted(hidden))),))


def _reader(request: type[Message]) -> Callable[[bytes], Message]:
    """Reads a request; what grpc would call our own fault is handed on as UNREADABLE."""

    def read(data: bytes) -> Message:
        try:
            return request.FromString(data)
        except (DecodeError, RecursionError):
            return UNREADABLE

    return read


def _require_readable(request: Message) -> None:
    if request is UNREADABLE:
        raise InvalidArgument("REQUEST_UNREADABLE", "The request is no message of this method.")


async def _readable(requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
    async for request in requests:
        _require_readable(request)
        yield request


def _shown(error: Exception) -> CrmError | None:
    """The error as callers may see it; None for what is our own fault."""
    match error:
        case CrmError():
            return error
        case asyncpg.PostgresError():
            return translate(error)
        case TimeoutError():
            return Unavailable("TIMEOUT", "This took too long; try again.")
        case grpc.aio.AioRpcError():
            return Unavailable("SERVICE_AWAY", "A service that is needed is away; try again.")
    return None


async def _drain(requests: AsyncIterator[Message]) -> None:
    """Take what the client still sends: one that is cut off while sending never sees the status."""
    with suppress(TimeoutError, grpc.aio.UsageError):
        async with asyncio.timeout(DRAIN_MAX_S):
            async for _ in requests:
                pass


def _refuse(violations: list[tuple[str, str]]) -> None:
    if violations:
        raise InvalidArgument(
            "INVALID_FIELDS",
            "Some fields are not as they should be.",
            fields=violations,
        )
