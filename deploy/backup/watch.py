"""Tells Prometheus how old the newest good backup is, while somebody else makes them."""

from functools import partial
from pathlib import Path
from typing import Final

from prometheus_client import Gauge

from chassis.telemetry.metrics import serve_metrics
from deploy.backup.store import moment_of, newest_good

NEWEST: Final = Gauge("crm_backup_good_timestamp_seconds", "When the newest good backup was made")


def tell(store: Path, listen: str) -> None:
    """Answer at `listen` (host:port; "" for nowhere) from a thread: when the newest backup that
    was read through and found good was made, 0 without one.
    """
    NEWEST.set_function(partial(newest, store))
    serve_metrics(listen)


def newest(store: Path) -> float:
    """That moment, looked up now."""
    good = newest_good(store)
    return moment_of(good).timestamp() if good else 0.0
