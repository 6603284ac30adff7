"""The connection to NATS: it comes back by itself for ever, and ends the process when it cannot."""

import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import APIError

from chassis.rpc.tls import broker_context
from chassis.telemetry.metrics import TLS_EXPIRY

API_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
RECONNECT_WAIT_S = 0.5
PING_INTERVAL_S = 10
PINGS_OUTSTANDING_MAX = 2
# What calls of the broker end with; TimeoutError and OSError are its own too.
BROKER_ERRORS = (NatsError, APIError, TimeoutError, OSError)

log = structlog.get_logger()


class Bus:
    """One connection of a process, shared by its relay, consumers and feeds.

    `generation` counts reconnections: what hung on the old connection is gone. `on_closed` is
    called when it is lost for good.
    """

    def __init__(self, on_closed: Callable[[], None]) -> None:
        self.client = Client()
        self.jetstream: JetStreamContext = self.client.jetstream(timeout=API_TIMEOUT_S)
        self.generation = 0
        self._on_closed = on_closed
        self._closing = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self.client.is_connected

    async def close(self) -> None:
        """Send what is written and close; what was not acknowledged comes again."""
        self._closing = True
        try:
            if self.client.is_connected:
                await self.client.flush(timeout=2)
        except BROKER_ERRORS as error:
            log.info("broker flush failed", error=error)
        if not self.client.is_closed:
            await self.client.close()

    async def open(self, url: str, name: str, tls_dir: str = "") -> None:
        """Connect, waiting for the broker."""
        await self.client.connect(
            servers=[url],
            name=name,
            tls=broker_context(tls_dir),
            # Publishing fails at once while disconnected, instead of filling a buffer.
            pending_size=-1,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # annotated int, used as float
            ping_interval=PING_INTERVAL_S,
            max_outstanding_pings=PINGS_OUTSTANDING_MAX,
            connect_timeout=CONNECT_TIMEOUT_S,  # type: ignore[arg-type]  # annotated int, used as float
            drain_timeout=5,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            closed_cb=self._on_close,
        )
        self._tell_certificate()
        log.info("broker connected", server=urlsplit(url).hostname)

    def _tell_certificate(self) -> None:
        """When the broker's ends: it has read it when it started, and goes on with it."""
        writer = getattr(self.client._transport, "_io_writer", None)  # noqa: SLF001  # the client does not tell it
        shown = writer.get_extra_info("peercert") if writer else None
        if shown:
            TLS_EXPIRY.labels("nats").set(ssl.cert_time_to_seconds(shown["notAfter"]))

    async def _on_error(self, error: Exception) -> None:
        log.warning("broker error", error=error)

    async def _on_disconnect(self) -> None:
        if not self._closing:
            log.warning("broker disconnected")

    async def _on_reconnect(self) -> None:
        self.generation += 1
        self._tell_certificate()
        log.info("broker reconnected")

    async def _on_close(self) -> None:
        if not self._closing:
            log.error("broker connection closed for good")
            self._on_closed()
