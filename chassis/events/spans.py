"""The way of a sampled change after its commit: published by the relay, applied by consumers."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.trace import SpanKind

from chassis.events.envelope import Change, Event
from chassis.telemetry.tracing import begin, ending, sampled


def tell_published(service: str, changes: Iterable[Change], began_ns: int) -> None:
    """A span for each sampled change, from `began_ns` (Unix time) until now."""
    for change in changes:
        if sampled(change.traceparent):
            name = f"publish {change.resource}.{change.event}"
            facts = {"messaging.system": "nats", "messaging.message.id": change.id}
            parent = change.traceparent
            begin(f"{service} {name}", SpanKind.PRODUCER, parent, facts, began_ns).end()


@contextmanager
def applying(consumer: str, events: Sequence[Event]) -> Iterator[str]:
    """Spans of the sampled ones while they are applied together; the trace context for the
    statements of that, "" without a sampled one.
    """
    spans = []
    for event in events:
        parent = event.traceparent
        if sampled(parent):
            name = f"{consumer} process {event.resource}.{event.name}"
            facts = {"messaging.system": "nats", "messaging.message.id": event.id}
            spans.append(begin(name, SpanKind.CONSUMER, parent, facts))
    with ending(spans):
        yield spans[0].traceparent if spans else ""
