"""What every request goes through: request id, route, token, limits, handler, problem, log line."""

import random
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import structlog
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chassis.call import SessionRestricted
from chassis.errors import Unavailable
from chassis.telemetry.metrics import HTTP_RUNNING, Red, http_red
from chassis.telemetry.tracing import Span, begin, trace_id
from services.gateway.exchange import Exchange
from services.gateway.presence import Presence
from services.gateway.problems import Problem, problem_of, problem_response
from services.gateway.ratelimit import RateLimiter
from services.gateway.routing import Endpoint, Router
from services.gateway.tokens import Tokens, bearer_of
from services.gateway.transcode import UpstreamProblem

# Requests at work at once; streams have limits of their own.
CONCURRENCY_MAX = 500
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
_SECURITY = [
    (name.encode("ascii"), value.encode("ascii")) for name, value in SECURITY_HEADERS.items()
]
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

log = structlog.get_logger()


@dataclass(slots=True)
class _Outcome:
    """What is known of a request for its log line and its headers."""

    template: str = ""
    rate_limit: str = ""
    reason: str = ""
    span: Span | None = None


class Edge:
    """The ASGI application that answers whatever no fixed page answers."""

    def __init__(
        self,
        router: Router,
        tokens: Tokens,
        limiter: RateLimiter,
        presence: Presence,
        trace_ratio: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._router = router
        self._tokens = tokens
        self._limiter = limiter
        self._presence = presence
        self._trace_ratio = trace_ratio
        self._clock = clock
        self._working = 0
        # Whoever still has a connection is to open his next one elsewhere.
        self.leaving = False
        HTTP_RUNNING.set_function(lambda: self._working)
        self._red: dict[tuple[str, str], Red] = {}
        self._policy = limiter.policy.encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = self._clock()
        request = Request(scope, receive)
        outcome = _Outcome()
        exchange = Exchange(request, _request_id(request), self._trace(request, outcome))
        response = await self._answer(exchange, outcome)
        # No handler sets any of these, so they are added without looking for them first.
        headers = response.raw_headers
        headers += _SECURITY
        headers.append((b"x-request-id", exchange.request_id.encode("ascii")))
        if self.leaving:
            headers.append((b"connection", b"close"))
        if outcome.rate_limit:
            headers.append((b"ratelimit", outcome.rate_limit.encode("ascii")))
            headers.append((b"ratelimit-policy", self._policy))
        try:
            await response(scope, receive, send)
        finally:
            self._tell(exchange, outcome, response.status_code, self._clock() - started)

    async def _answer(self, exchange: Exchange, outcome: _Outcome) -> Response:
        try:
            return await self._handled(exchange, outcome)
        except Exception as error:
            problem = error.problem if isinstance(error, UpstreamProblem) else problem_of(error)
            if problem.status == 500:
                log.exception("request failed", request_id=exchange.request_id,
                          trace_id=_trace_id(exchange), tenant_id=_tenant_id(exchange),
                          exc_info=error)  # fmt: skip
            outcome.reason = problem.reason
            return _response(problem, exchange)

    async def _handled(self, exchange: Exchange, outcome: _Outcome) -> Response:
        scope = exchange.request.scope
        raw_path = scope.get("raw_path") or scope["path"].encode()
        path = raw_path.partition(b"?")[0].decode("ascii", "replace")
        endpoint, exchange.params = self._router.match(scope["method"], path)
        outcome.template = endpoint.template
        if not endpoint.public:
            exchange.bearer = bearer_of(exchange.header("authorization"))
            # Made-up tokens cost as much as any request of a stranger.
            stranger = partial(self._limiter.take, _bucket(exchange), self._clock())
            exchange.caller = await self._tokens.caller(exchange.bearer, stranger)
            if exchange.caller.restriction and not endpoint.restricted:
                raise SessionRestricted(exchange.caller.restriction)
            self._presence.seen(exchange.caller)
        outcome.rate_limit = self._limiter.take(_bucket(exchange), self._clock())
        return await self._bounded(endpoint, exchange)

    async def _bounded(self, endpoint: Endpoint, exchange: Exchange) -> Response:
        if endpoint.streams:
            return await endpoint.handler(exchange)
        if self._working >= CONCURRENCY_MAX:
            raise Unavailable("OVERLOADED", "Too many requests are being worked on.")
        self._working += 1
        try:
            return await endpoint.handler(exchange)
        finally:
            self._working -= 1

    def _trace(self, request: Request, outcome: _Outcome) -> str:
        """The trace context of the request: whether it is sampled is decided here, whatever the
        caller says.
        """
        given = _traceparent(request)
        if self._trace_ratio <= random.random():
            return (given or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00")[:-2] + "00"
        outcome.span = begin(request.method, SpanKind.SERVER, given)
        return outcome.span.traceparent

    def _tell(self, exchange: Exchange, outcome: _Outcome, status: int, seconds: float) -> None:
        """Count it, end its span, and log it: all without anything about a person."""
        method, route = exchange.request.method, outcome.template
        key = (method if route else "", route)
        if key not in self._red:
            self._red[key] = http_red(*key)
        self._red[key].count(str(status), seconds)
        if outcome.span is not None:
            outcome.span.rename(f"{method} {route}")
            error = outcome.reason if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""
            outcome.span.end(error, {"http.route": route, "http.response.status_code": status})
        log.info(
            "request",
            method=method,
            route=route,
            status=status,
            reason=outcome.reason,
            duration_ms=round(seconds * 1000, 2),
            request_id=exchange.request_id,
            trace_id=_trace_id(exchange),
            tenant_id=_tenant_id(exchange),
        )


def _response(problem: Problem, exchange: Exchange) -> Response:
    accept_language = exchange.request.headers.get("accept-language", "")
    return problem_response(problem, accept_language, exchange.request_id, _trace_id(exchange))


def _request_id(request: Request) -> str:
    """The caller's id for the request when it is a plain one, else a new one."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def _traceparent(request: Request) -> str:
    """The caller's W3C trace context when it is well formed, else ""."""
    given = request.headers.get("traceparent", "")
    return given if _TRACEPARENT.fullmatch(given) else ""


def _trace_id(exchange: Exchange) -> str:
    return trace_id(exchange.traceparent)


def _tenant_id(exchange: Exchange) -> str:
    return exchange.caller.tenant_id if exchange.caller else ""


def _bucket(exchange: Exchange) -> str:
    """What is counted together: a tenant, or before sign-in the address of the client."""
    if exchange.caller is not None:
        return exchange.caller.tenant_id
    client = exchange.request.client
    return f"address {client.host}" if client else "address"
