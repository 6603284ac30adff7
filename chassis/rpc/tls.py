"""Mutual TLS between services: certificates lie in a folder as cert-manager fills it, and are read
anew when they change.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import grpc
from cryptography import x509

from chassis.telemetry.metrics import TLS_EXPIRY

CERTIFICATE, KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"
CLOSE_GRACE_S = 30.0
# Replicas come and go: their name is looked up again after so long, when one is lost.
ALIVE = (
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
)
# Calls go in turn to the replicas that say they serve; one that is about to stop says so first.
BALANCING = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ""},
}


class Channels:
    """One channel per target, made at first use, and made again for new certificates."""

    def __init__(
        self, targets: Mapping[str, str], options: Sequence[tuple[str, int | str]], tls_dir: str
    ) -> None:
        self.targets = tuple(targets)
        self._addresses = {name: _uri(address) for name, address in targets.items()}
        self._options = (*options, *ALIVE)
        self._folder = Path(tls_dir) if tls_dir else None
        if tls_dir:
            watch_certificate(tls_dir)
        self._channels: dict[str, tuple[int, grpc.aio.Channel]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def get(self, target: str) -> grpc.aio.Channel:
        """The channel to a service; KeyError for one that is not among the targets."""
        stamp = (self._folder / CERTIFICATE).stat().st_mtime_ns if self._folder else 0
        made, channel = self._channels.get(target, (-1, None))
        if channel is None or made != stamp:
            if channel is not None:
                self._end(channel)
            channel = self._open(self._addresses[target])
            self._channels[target] = (stamp, channel)
        return channel

    async def close(self, grace_s: float | None = None) -> None:
        """Close all channels; calls under way get `grace_s`."""
        channels = [channel for _, channel in self._channels.values()]
        await asyncio.gather(*(channel.close(grace_s) for channel in channels), *self._ending)

    def _open(self, address: str) -> grpc.aio.Channel:
        if self._folder is None:
            return grpc.aio.insecure_channel(address, self._options)
        authority, key, certificate = _read(self._folder)
        credentials = grpc.ssl_channel_credentials(authority, key, certificate)
        return grpc.aio.secure_channel(address, credentials, self._options)

    def _end(self, channel: grpc.aio.Channel) -> None:
        """Let calls under way finish on the old channel."""
        task = asyncio.ensure_future(channel.close(CLOSE_GRACE_S))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def add_port(server: grpc.aio.Server, listen: str, tls_dir: str) -> None:
    """Listen, for clients with a certificate of our authority only if there is a folder."""
    if not tls_dir:
        server.add_insecure_port(listen)
        return
    folder = Path(tls_dir)

    def configuration() -> grpc.ServerCertificateConfiguration:
        authority, key, certificate = _read(folder)
        return grpc.ssl_server_certificate_configuration([(key, certificate)], authority)

    # Asked at every handshake: a renewed certificate needs no restart.
    server.add_secure_port(
        listen,
        grpc.dynamic_ssl_server_credentials(
            configuration(), configuration, require_client_authentication=True
        ),
    )


def watch_certificate(tls_dir: str) -> None:
    """Tell when the certificate in the folder ends; it is in use as soon as it lies there."""
    TLS_EXPIRY.labels("own").set_function(partial(_expiry, Path(tls_dir, CERTIFICATE)))


def _expiry(file: Path) -> float:
    """Unix time; 0 for one that cannot be read."""
    try:
        return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return 0.0


def broker_context(tls_dir: str) -> ssl.SSLContext | None:
    """How the broker, which knows us by password, proves itself; None without a folder."""
    return ssl.create_default_context(cafile=Path(tls_dir, AUTHORITY)) if tls_dir else None


def _uri(address: str) -> str:
    return f"ipv4:{address}" if "," in address else f"dns:///{address}"


def _read(folder: Path) -> tuple[bytes, bytes, bytes]:
    authority, key, certificate = (
        (folder / name).read_bytes() for name in (AUTHORITY, KEY, CERTIFICATE)
    )
    return authority, key, certificate
