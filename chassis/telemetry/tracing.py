"""Spans, made by hand for sampled requests only: for the others each place looks at one flag.

The gateway decides which requests are sampled; their W3C trace context goes with calls, changes and
events.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

SAMPLED = "-01"
EXPORT_TIMEOUT_S = 3
Attributes: TypeAlias = Mapping[str, str | int | float]

_TRACER = trace.get_tracer("crm")
_PROPAGATOR = TraceContextTextMapPropagator()


class Span:
    """A span under way; whoever has begun it ends it."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}{SAMPLED}"

    def rename(self, name: str) -> None:
        """Give it the name that is known only now."""
        self._span.update_name(name)

    def end(self, error: str = "", attributes: Attributes | None = None) -> None:
        """Have it sent; `error` says in a word what went wrong."""
        if attributes:
            self._span.set_attributes(attributes)
        if error:
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()


def start_tracing(service: str, endpoint: str) -> Callable[[], None]:
    """Send spans of this process to an OTLP collector (gRPC), to nobody when `endpoint` is ""; the
    function returned sends what is left.
    """
    if not endpoint:
        return lambda: None
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415  # only who sends pays 5 MiB
        OTLPSpanExporter,
    )

    described = Resource.create({"service.name": service, "service.namespace": "crm"})
    provider = TracerProvider(sampler=ALWAYS_ON, resource=described)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S))
    )
    trace.set_tracer_provider(provider)
    return provider.shutdown


def trace_id(traceparent: str) -> str:
    """The trace of a trace context, "" without one."""
    return traceparent[3:35]


def sampled(traceparent: str) -> bool:
    """Whether the request of this trace context is followed."""
    return traceparent.endswith(SAMPLED)


def begin(
    name: str,
    kind: SpanKind,
    parent: str,
    attributes: Attributes | None = None,
    start_ns: int | None = None,
) -> Span:
    """A new span below the trace context `parent`, the first of a trace when that is ""; only for
    what is sampled. `start_ns` is Unix time in nanoseconds, now when not given.
    """
    context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
    return Span(_TRACER.start_span(name, context, kind, attributes, start_time=start_ns))


@contextmanager
def ending(spans: Sequence[Span]) -> Iterator[None]:
    """End the spans together with the block, with the name of what it raises."""
    error = ""
    try:
        yield
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        for span in spans:
            span.end(error)
