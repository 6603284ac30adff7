"""Wires the gateway: channels, feeds, routes and the ASGI application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.events.bus import Bus
from chassis.events.feed import Feed
from chassis.memory import settle
from chassis.telemetry.metrics import serve_metrics
from chassis.telemetry.tracing import start_tracing
from services.gateway import revocation, ring
from services.gateway.contracts import load_contracts
from services.gateway.docs import docs_routes
from services.gateway.edge import Edge
from services.gateway.live import Live
from services.gateway.oauth import OAuth
from services.gateway.operations import Operations
from services.gateway.own_document import OwnDocument
from services.gateway.presence import Presence
from services.gateway.ratelimit import RateLimiter
from services.gateway.release import VERSION, release_endpoint
from services.gateway.revocation import Revocations
from services.gateway.ring import Ring
from services.gateway.routing import Router
from services.gateway.sessions import Sessions
from services.gateway.settings import GatewaySettings
from services.gateway.tokens import ServiceToken, Tokens
from services.gateway.transcode import endpoints
from services.gateway.uploads import Imports
from services.gateway.upstream import Upstreams
from services.gateway.visibility import Visibility

log = structlog.get_logger()


class Gateway:
    """Everything that runs in the process; made inside the event loop that it runs on."""

    def __init__(self, settings: GatewaySettings) -> None:
        contracts = load_contracts()
        self._settings = settings
        self._bus = Bus(_bus_closed)
        self._ring = Ring()
        self._upstreams = Upstreams(settings.targets, settings.tls_dir)
        service_token = ServiceToken(self._upstreams, settings.service_secret)
        self._tokens = tokens = Tokens(self._upstreams, service_token, self._silent_for_s)
        visibility = Visibility(self._upstreams, service_token, self._silent_for_s)
        revocations = Revocations(
            drop_session=tokens.drop_session,
            drop_tenant=(tokens.drop_tenant, visibility.drop_tenant),
            drop_all=(tokens.drop_all, visibility.drop_all),
        )
        self._identity_feed = Feed(
            self._bus, revocation.STREAM, revocations.handle, revocations.lost
        )
        self._edge_feed = Feed(self._bus, ring.STREAM, self._ring.handle, self._ring.lost)
        self._live = Live(contracts, self._ring, tokens, visibility, self._bus)
        router = Router(
            [
                *endpoints(contracts, self._upstreams),
                *Sessions(self._upstreams, service_token, tokens).endpoints(),
                *OAuth(self._upstreams, service_token, contracts, settings.public_url).endpoints(),
                *Operations(self._upstreams).endpoints(),
                *Imports(contracts, self._upstreams).endpoints(),
                *OwnDocument(contracts, self._upstreams).endpoints(),
                *self._live.endpoints(),
                release_endpoint(),
            ]
        )
        self._presence = Presence(self._upstreams, service_token)
        limiter = RateLimiter(settings.rate_per_s)
        self._edge = Edge(router, tokens, limiter, self._presence, settings.trace_ratio)
        self._ready = False

    def application(self) -> FastAPI:
        """The ASGI application; its lifespan starts and stops what runs beside the requests."""
        application = FastAPI(
            lifespan=self._lifespan,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            # Spans and metrics are our own; these cost 20 us a request even without an exporter.
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )
        application.router.routes.extend(
            [
                Route("/healthz", self._health),
                Route("/readyz", self._readiness),
                *docs_routes(),
            ]
        )
        # An ASGI application, so that no layer stands between the server and it; a route's pattern
        # would leave out paths with line breaks in them.
        application.router.default = self._edge
        return application

    def drain(self) -> None:
        """Not ready any more; live streams end, connections with their next answer, what is under
        way goes on.
        """
        self._ready = False
        self._edge.leaving = True
        self._live.drain()

    def _silent_for_s(self) -> float:
        return self._identity_feed.silent_for_s

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(self._open_bus()),
            asyncio.create_task(self._identity_feed.run()),
            asyncio.create_task(self._edge_feed.run()),
            asyncio.create_task(self._presence.run()),
        ]
        stop_tracing = start_tracing("gateway", self._settings.otlp_endpoint)
        serve_metrics(self._settings.metrics_listen)
        settle()
        self._ready = True
        log.info("gateway started")
        try:
            yield
        finally:
            self.drain()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(Exception):  # what cannot be closed ends with the process
                await self._bus.close()
            await self._upstreams.close()
            await asyncio.to_thread(stop_tracing)
            log.info("gateway stopped")

    async def _open_bus(self) -> None:
        await self._bus.open(self._settings.nats_url, "gateway", self._settings.tls_dir)

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readiness(self, _: Request) -> Response:
        status = 200 if self._ready else 503
        told = {"status": "ready" if self._ready else "draining", "version": VERSION}
        return JSONResponse(told, status)


def _bus_closed() -> None:
    """Requests are still answered: what is remembered of rights is asked anew each time."""
    log.error("live updates have ended")
