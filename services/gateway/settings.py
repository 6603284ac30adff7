"""What the gateway reads from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.settings import (
    SettingsError,
    address,
    metrics_address,
    number,
    required,
    targets,
)


@dataclass(frozen=True)
class GatewaySettings:
    """Addresses are host:port; the rate is requests per second of one tenant on this replica;
    `public_url` is how clients reach the gateway; of all requests `trace_ratio` are sampled.
    """

    http_host: str
    http_port: int
    nats_url: str
    service_secret: str
    targets: Mapping[str, str]
    log_level: str
    rate_per_s: int
    public_url: str
    metrics_listen: str
    otlp_endpoint: str
    trace_ratio: float
    tls_dir: str


def gateway_settings(environment: Mapping[str, str]) -> GatewaySettings:
    """Read and check them; SettingsError names the first one that is missing or wrong."""
    host, _, port = address(environment, "HTTP_LISTEN").rpartition(":")
    return GatewaySettings(
        http_host=host.strip("[]"),
        http_port=int(port),
        nats_url=required(environment, "NATS_URL"),
        service_secret=required(environment, "SERVICE_SECRET"),
        targets=targets(environment),
        log_level=environment.get("LOG_LEVEL", "INFO"),
        rate_per_s=number(
            environment, "RATE_LIMIT_PER_SECOND", usual=5000, least=1, most=1_000_000
        ),
        tls_dir=environment.get("TLS_DIR", ""),
        public_url=environment.get("PUBLIC_URL", f"http://{host}:{port}").rstrip("/"),
        metrics_listen=metrics_address(environment),
        otlp_endpoint=environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        trace_ratio=_ratio(environment, "OTEL_TRACES_SAMPLER_ARG"),
    )


def _ratio(environment: Mapping[str, str], name: str) -> float:
    """A share, 0 to 1; one in a hundred when not set, none without a collector."""
    if not environment.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return 0.0
    text = environment.get(name, "0.01")
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        raise SettingsError(f"{name} must be 0 to 1, not {text!r}")
    return ratio
