"""The HTTP server: uvicorn with bounds on what a client may send, and an orderly stop."""

import asyncio
import os
import secrets
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.gateway.app import Gateway
from services.gateway.problems import Problem, problem_response
from services.gateway.settings import GatewaySettings

HEADER_BYTES_MAX = 16_384
HEADERS_MAX = 100
HEADER_TIMEOUT_S = 15.0
DROPPED_BYTES_MAX = 64 * 1024 * 1024
# So long requests on open connections are still taken, each answered with "connection: close".
LEAVE_S = 1.0
GRACE_S = 20
GIVE_UP_S = 35.0


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 that closes a connection whose request line and headers are too long or too slow."""

    _header_bytes = 0
    _header_count = 0
    _dropped_bytes = 0
    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Give the first request its time."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Count afresh for each request."""
        super().on_message_begin()
        self._header_bytes = self._header_count = 0
        self._start_timer()

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        super().on_header(name, value)
        self._header_count += 1
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Pass the request on."""
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Drop what still comes of a body that was answered already, up to a bound."""
        if self.cycle.response_complete:
            self._dropped_bytes += len(body)
            if self._dropped_bytes > DROPPED_BYTES_MAX:
                self.transport.close()
            return
        super().on_body(body)

    def send_400_response(self, _msg: str) -> None:
        """Tell what is wrong with the head of a request as a problem, like all else."""
        values = {"limit_bytes": str(HEADER_BYTES_MAX)}
        problem = Problem(400, "HEAD_INVALID", metadata=values, headers={"connection": "close"})
        answer = problem_response(problem, "", secrets.token_hex(16), secrets.token_hex(16))
        lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(one) for one in answer.raw_headers)]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > HEADER_BYTES_MAX or self._header_count > HEADERS_MAX:
            raise ValueError("the headers are too long")  # the parser stops and uvicorn answers 400

    def _start_timer(self) -> None:
        self._stop_timer()
        self._header_timer = self.loop.call_later(HEADER_TIMEOUT_S, self.transport.close)

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


class Server(uvicorn.Server):
    """Stops in order at SIGTERM and exits with 0; a second signal or 35 seconds end it at once."""

    gateway: Gateway | None = None
    loop: asyncio.AbstractEventLoop | None = None
    _leaving = False

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        """Send clients elsewhere and end live streams, since uvicorn waits for them; then stop."""
        if self._leaving or self.loop is None or self.gateway is None:
            os._exit(1)
        self._leaving = True
        self.loop.call_soon_threadsafe(self.gateway.drain)
        self.loop.call_soon_threadsafe(self.loop.call_later, LEAVE_S, self._end)
        self.loop.call_soon_threadsafe(self.loop.call_later, GIVE_UP_S, os._exit, 1)

    def _end(self) -> None:
        """Have uvicorn close idle connections, finish what is under way and return."""
        self.should_exit = True


def server_config(
    make_application: Callable[[], FastAPI], settings: GatewaySettings
) -> uvicorn.Config:
    """The server's settings (reliability-security.md 4.7); how many work at once is the edge's."""
    return uvicorn.Config(
        make_application,
        factory=True,
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        backlog=1024,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        proxy_headers=False,
        access_log=False,
        log_config=None,
    )


def serve(settings: GatewaySettings) -> None:
    """Serve until SIGTERM."""

    def make_application() -> FastAPI:
        server.gateway = Gateway(settings)
        server.loop = asyncio.get_running_loop()
        return server.gateway.application()

    server = Server(server_config(make_application, settings))
    server.run()
