"""A collector that keeps what it is sent: the OTLP service, in the process of the test."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.trace.v1.trace_pb2 import Span

METHOD = "opentelemetry.proto.collector.trace.v1.TraceService"


@dataclass(frozen=True)
class Kept:
    """One span, with the service that has sent it."""

    service: str
    span: Span

    @property
    def name(self) -> str:
        """Service, kind and name in one line."""
        kind = Span.SpanKind.Name(self.span.kind).removeprefix("SPAN_KIND_")
        return f"{self.service} {kind} {self.span.name}"

    @property
    def attributes(self) -> dict[str, str]:
        """Attributes as text."""
        return {
            one.key: one.value.string_value or str(one.value.int_value)
            for one in self.span.attributes
        }


@dataclass
class Collector:
    """What has come, by trace id in hex."""

    url: str = ""
    traces: dict[str, list[Kept]] = field(default_factory=dict)

    def export(
        self, request: otlp.ExportTraceServiceRequest, _context: grpc.ServicerContext
    ) -> otlp.ExportTraceServiceResponse:
        """Keep the spans of a batch."""
        for group in request.resource_spans:
            facts = {one.key: one.value.string_value for one in group.resource.attributes}
            for scope in group.scope_spans:
                for span in scope.spans:
                    kept = self.traces.setdefault(span.trace_id.hex(), [])
                    kept.append(Kept(facts["service.name"], span))
        return otlp.ExportTraceServiceResponse()


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector at a free port."""
    collector = Collector()
    handler = grpc.unary_unary_rpc_method_handler(
        collector.export,
        request_deserializer=otlp.ExportTraceServiceRequest.FromString,
        response_serializer=otlp.ExportTraceServiceResponse.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(METHOD, {"Export": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    collector.url = f"http://127.0.0.1:{port}"
    yield collector
    server.stop(1).wait()
