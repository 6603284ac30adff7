"""Where an installation is: as options and environment say, else the local platform's."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.settings import TARGETS
from cli.context import local_file, run_dir
from cli.errors import CliError

GATEWAY = "gateway"
BACKUPS = "backups"


@dataclass(frozen=True)
class Places:
    """Addresses (host:port) and URLs by service; "" and nothing for what is not known."""

    url: str
    metrics: Mapping[str, str]
    health: Mapping[str, str]
    nats_url: str
    databases: Mapping[str, str]
    folders: Sequence[Path]
    backups: Path | None
    tls_dir: str = ""
    local: bool = False


def places(url: str, metrics: Sequence[str], health: Sequence[str]) -> Places:
    """What options say, then CRM_URL, CRM_METRICS, CRM_HEALTH, NATS_URL, <SERVICE>_DATABASE_URL,
    TLS_DIR, BLOB_DIR and BACKUP_DIR; without a word of metrics the local platform is meant.
    CliError when there is none.
    """
    told = {name: value for name, value in os.environ.items() if value}
    metrics = metrics or told.get("CRM_METRICS", "").split(",")
    health = health or told.get("CRM_HEALTH", "").split(",")
    databases = {name: told.get(f"{name.upper()}_DATABASE_URL", "") for name in TARGETS}
    folders = [Path(told[name]) for name in ("BLOB_DIR", "BACKUP_DIR") if name in told]
    if not any(metrics):
        return _local(url)
    return Places(
        url=url or told.get("CRM_URL", ""),
        metrics=_addresses(metrics),
        health=_addresses(health),
        nats_url=told.get("NATS_URL", ""),
        databases={name: url for name, url in databases.items() if url},
        folders=folders,
        backups=Path(told["BACKUP_DIR"]) if "BACKUP_DIR" in told else None,
        tls_dir=told.get("TLS_DIR", ""),
    )


def _local(url: str) -> Places:
    told = local_file("operator.json")
    metrics = _ending(told, "_metrics")
    if not metrics:
        text = "set CRM_METRICS=<service>=<host:port>,... or --metrics"
        raise CliError(f"There is no local platform in {run_dir()}: run make up, or {text}.")
    backups = Path(os.environ.get("BACKUP_DIR") or told.get("backup_dir") or run_dir() / BACKUPS)
    return Places(
        url=url or local_file("credentials.json").get("url", ""),
        metrics=metrics,
        health={name: at for name, at in _ending(told, "_target").items() if name in metrics},
        nats_url=told.get("nats_url", ""),
        databases=_ending(told, "_database_url"),
        folders=[run_dir()],
        backups=backups,
        local=True,
    )


def _ending(told: Mapping[str, str], end: str) -> dict[str, str]:
    return {name.removesuffix(end): value for name, value in told.items() if name.endswith(end)}


def _addresses(pairs: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, pairs):
        name, equals, address = pair.strip().partition("=")
        if not equals or ":" not in address:
            raise CliError(f"{pair!r} is not <service>=<host:port>.")
        found[name] = address
    return found
