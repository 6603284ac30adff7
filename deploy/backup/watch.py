"""Tells Prometheus how old the newest good backup is, and what room there is, while somebody else
makes them.
"""

from functools import partial
from pathlib import Path
from shutil import disk_usage
from typing import Final

from prometheus_client import Gauge

from chassis.rpc.tls import watch_certificate
from chassis.telemetry.metrics import serve_metrics
from deploy.backup.settings import Installation
from deploy.backup.store import moment_of, newest_good

NEWEST: Final = Gauge("crm_backup_good_timestamp_seconds", "When the newest good backup was made")


FREE: Final = Gauge("crm_disk_free_bytes", "Room where a folder lies", ("folder",))
SIZE: Final = Gauge("crm_disk_size_bytes", "Room there in all", ("folder",))


def tell(installation: Installation, listen: str) -> None:
    """Answer at `listen` (host:port; "" for nowhere) from a thread: when the newest backup that
    was read through and found good was made, 0 without one; room on the disks of all folders;
    when the certificate ends.
    """
    if installation.tls_dir:
        watch_certificate(installation.tls_dir)
    NEWEST.set_function(partial(newest, installation.store))
    for folder in (installation.store, *installation.folders.values()):
        FREE.labels(str(folder)).set_function(partial(_free, folder))
        SIZE.labels(str(folder)).set_function(partial(_size, folder))
    serve_metrics(listen)


def _free(folder: Path) -> float:
    return disk_usage(_there(folder)).free


def _size(folder: Path) -> float:
    return disk_usage(_there(folder)).total


def _there(folder: Path) -> Path:
    """The folder, or the next one above that is there."""
    return next(one for one in (folder, *folder.parents) if one.is_dir())


def newest(store: Path) -> float:
    """That moment, looked up now."""
    good = newest_good(store)
    return moment_of(good).timestamp() if good else 0.0
