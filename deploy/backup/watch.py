"""Tells Prometheus how old the newest good backup is, while somebody else makes them."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from chassis.telemetry.metrics import serve_metrics
from deploy.backup.store import moment_of, newest_good

NEWEST = "crm_backup_good_timestamp_seconds"


def tell(store: Path, listen: str) -> None:
    """Answer at `listen` (host:port; "" for nowhere) from a thread: when the newest backup that
    was read through and found good was made, 0 without one.
    """
    serve_metrics(listen, registry(store))


def registry(store: Path) -> CollectorRegistry:
    """What is told, looked up anew each time it is asked for."""
    found = CollectorRegistry()
    Gauge(NEWEST, "When the newest good backup was made", registry=found).set_function(
        lambda: _newest(store)
    )
    return found


def _newest(store: Path) -> float:
    good = newest_good(store)
    return moment_of(good).timestamp() if good else 0.0
