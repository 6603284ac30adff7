"""What the event machinery tells about itself."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class RelayMetrics:
    """Metrics of one service's relay."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leader = Gauge(
            "crm_relay_leader",
            "1 while this process publishes the service's events",
            registry=registry,
        )
        self.unpublished_age = Gauge(
            "crm_relay_unpublished_age_seconds",
            "Age of the oldest change that is not published yet",
            registry=registry,
        )
        self.published = Counter("crm_relay_published", "Events published", registry=registry)
        self.refused = Counter(
            "crm_relay_refused", "Events that the broker refuses for themselves", registry=registry
        )
        self.failures = Counter(
            "crm_relay_failures", "Batches to be published again", registry=registry
        )
        self.republished = Counter(
            "crm_relay_republished", "Events found missing in the stream", registry=registry
        )


class ConsumerMetrics:
    """Families of the metrics of all consumers of a process, by consumer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"crm_consumer_{name}", text, ("consumer",), registry=registry)

        self.applied = counter("applied", "Events applied")
        self.duplicates = counter("duplicates", "Events seen before and skipped")
        self.failures = counter("failures", "Events whose handling failed")
        self.parked = counter("parked", "Events parked; each one wants a person")
        self.gaps = counter("gaps", "Events that had to wait for an earlier version")
        self.refilled = counter("refilled", "Events fetched from their producer to fill a gap")
        self.pending = Gauge(
            "crm_consumer_pending",
            "Events of a producer that the consumer was not given yet",
            ("consumer", "producer"),
            registry=registry,
        )
        self.delay = Gauge(
            "crm_consumer_delay_seconds",
            "Time from change to application of the last event",
            ("consumer",),
            registry=registry,
        )
