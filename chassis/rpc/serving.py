"""One call while it is served: how long, with which status, and its span when it is sampled."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Self, TypeAlias

import grpc
from google.protobuf.message import Message
from opentelemetry.trace import SpanKind

from chassis.call import Call
from chassis.telemetry.metrics import Red, rpc_red
from chassis.telemetry.tracing import Span, begin, sampled, trace_id

Context: TypeAlias = "grpc.aio.ServicerContext[Message, Message]"


class Meter:
    """Measures the calls of one method."""

    def __init__(self, method: str) -> None:
        self.method = method
        self._red = rpc_red(method)

    def begin(self, context: Context) -> Serving:
        """A call has come in."""
        return Serving(self.method, self._red, context)


class Serving:
    """One call; it is in the hands of a `with`."""

    __slots__ = ("_context", "_red", "_span", "_started", "method", "tenant_id", "trace_id")

    def __init__(self, method: str, red: Red, context: Context) -> None:
        self.method = method
        self._red = red
        self._context = context
        self._span: Span | None = None
        self._started = time.perf_counter()
        self.trace_id = self.tenant_id = ""

    def __enter__(self) -> Self:
        """Itself: the clock runs already."""
        return self

    def admitted(self, call: Call) -> Call:
        """The call, from now on within the span of this method."""
        self.trace_id, self.tenant_id = trace_id(call.traceparent), call.tenant_id
        if not sampled(call.traceparent):
            return call
        facts = {"rpc.system": "grpc", "rpc.method": self.method, "crm.tenant": call.tenant_id}
        began_ns = time.time_ns() - int((time.perf_counter() - self._started) * 1e9)
        self._span = begin(self.method, SpanKind.SERVER, call.traceparent, facts, began_ns)
        return replace(call, traceparent=self._span.traceparent)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Count it, by the status that it was given, and end the span."""
        told: object = self._context.code()  # None as long as nobody has set one
        ended = "OK" if kind is None else "CANCELLED"
        code = told.name if isinstance(told, grpc.StatusCode) else ended
        self._red.count(code, time.perf_counter() - self._started)
        if self._span is not None:
            self._span.end("" if code == "OK" else code, {"rpc.grpc.status_code": code})
