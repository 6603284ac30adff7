"""Settings: read from the environment once, into a frozen dataclass; a bad value stops the process
with one line.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

TARGETS = ("identity", "customer", "sales", "marketing", "reporting")


class SettingsError(SystemExit):
    """A setting is missing or wrong; exits with one line that names it."""


@dataclass(frozen=True)
class ServiceSettings:
    """What every service needs to run; addresses are host:port, directories are paths.

    `tls_dir` holds tls.crt, tls.key and ca.crt, as cert-manager fills it; without one nothing is
    encrypted. `health_listen` answers health checks only, in clear, as Kubernetes asks.
    """

    service: str
    database_url: str
    worker_database_url: str
    nats_url: str
    grpc_listen: str
    service_secret: str
    targets: Mapping[str, str]
    blob_dir: str
    log_level: str
    page_token_key: bytes
    # Where metrics are read, and who takes spans: an address, an OTLP URL, "" for neither.
    metrics_listen: str
    otlp_endpoint: str
    tls_dir: str
    health_listen: str
    stream_replicas: int


def required(environment: Mapping[str, str], name: str) -> str:
    """The value of a variable that must be set."""
    value = environment.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def address(environment: Mapping[str, str], name: str) -> str:
    """A host:port value."""
    value = required(environment, name)
    _require_address(name, value)
    return value


def targets(environment: Mapping[str, str]) -> dict[str, str]:
    """Where each service is: a name of all its replicas, or their IPv4 addresses with commas."""
    found = {name: required(environment, f"{name.upper()}_TARGET") for name in TARGETS}
    for name, value in found.items():
        for one in value.split(","):
            _require_address(f"{name.upper()}_TARGET", one)
    return found


def _require_address(name: str, value: str) -> None:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError(f"{name} must be host:port, not {value!r}")


def metrics_address(environment: Mapping[str, str]) -> str:
    """Where metrics are read: host:port, or ""."""
    name = "METRICS_LISTEN"
    return address(environment, name) if environment.get(name) else ""


def json_value(environment: Mapping[str, str], name: str) -> object:
    """A value that is JSON."""
    try:
        return json.loads(required(environment, name))
    except ValueError as error:
        raise SettingsError(f"{name} is not JSON: {error}") from None


def number(environment: Mapping[str, str], name: str, usual: int, least: int, most: int) -> int:
    """A whole number; the usual one when nothing is set."""
    text = environment.get(name, str(usual))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise SettingsError(f"{name} must be {least} to {most}, not {text!r}")
    return int(text)


def service_settings(service: str, environment: Mapping[str, str]) -> ServiceSettings:
    """Read the settings that all services share."""
    secret = required(environment, "SERVICE_SECRET")
    return ServiceSettings(
        service=service,
        database_url=required(environment, "DATABASE_URL"),
        worker_database_url=required(environment, "WORKER_DATABASE_URL"),
        nats_url=required(environment, "NATS_URL"),
        grpc_listen=address(environment, "GRPC_LISTEN"),
        service_secret=secret,
        targets=targets(environment),
        blob_dir=required(environment, "BLOB_DIR"),
        log_level=environment.get("LOG_LEVEL", "INFO"),
        tls_dir=environment.get("TLS_DIR", ""),
        health_listen=environment.get("HEALTH_LISTEN", ""),
        stream_replicas=number(environment, "STREAM_REPLICAS", usual=1, least=1, most=5),
        page_token_key=f"page-token:{service}:{secret}".encode(),
        metrics_listen=metrics_address(environment),
        otlp_endpoint=environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
    )
