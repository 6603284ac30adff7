"""Metrics of a process: families, children bound in advance, and the port they are read at."""

from collections.abc import Callable
from functools import partial

from prometheus_client import Counter, Gauge, Histogram, start_http_server

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_RPC_CALLS = Counter("crm_rpc_calls", "Calls answered, by method and status", ("method", "code"))
_RPC_SECONDS = Histogram("crm_rpc_seconds", "Time to answer a call", ("method",), buckets=SECONDS)
_RPC_RUNNING = Gauge("crm_rpc_running", "Calls being worked on")
_HTTP_REQUESTS = Counter(
    "crm_http_requests", "Requests answered, by route and status", ("method", "route", "status")
)
_HTTP_SECONDS = Histogram(
    "crm_http_seconds", "Time to answer a request", ("method", "route"), buckets=SECONDS
)
HTTP_RUNNING = Gauge("crm_http_running", "Requests being worked on, streams left out")
_POOL_SIZE = Gauge("crm_pool_size", "Most connections that a role may have", ("role",))
_POOL_BUSY = Gauge("crm_pool_busy", "Connections at work", ("role",))
POOL_REFUSED = Counter("crm_pool_refused", "Waits for a connection given up", ("role",))
JOB_FAILURES = Counter("crm_job_failures", "Background work that had to begin anew", ("work",))
_JOB_DONE = Gauge("crm_job_done_timestamp_seconds", "When a job was done here last", ("work",))
_JOB_EVERY = Gauge("crm_job_interval_seconds", "How far apart a job is done", ("work",))
TLS_EXPIRY = Gauge("crm_tls_expiry_timestamp_seconds", "When a certificate ends", ("of",))
OPERATIONS = Counter("crm_operations", "Operations ended, by kind and end", ("kind", "end"))
OPERATION_SECONDS = Counter("crm_operation_seconds", "Time spent on operations", ("kind",))
OPERATIONS_RUNNING = Gauge("crm_operations_running", "Operations being worked on here")
OPERATIONS_WAITING = Gauge("crm_operations_waiting", "Operations that wait for a worker")
PARKED = Gauge("crm_parked_messages", "Messages parked; each one wants a person", ("consumer",))


class Red:
    """Rate, errors and duration of one method or route (the RED method), by how it ends."""

    __slots__ = ("_ends", "_make", "_seconds")

    def __init__(self, seconds: Histogram, make: Callable[[str], Counter], *failures: str) -> None:
        self._seconds = seconds
        self._make = make
        # There before the first failure: a counter that begins with one does not show it as a rise.
        self._ends = {end: make(end) for end in failures}

    def count(self, end: str, seconds: float) -> None:
        """One more that has ended so."""
        if end not in self._ends:
            self._ends[end] = self._make(end)
        self._ends[end].inc()
        self._seconds.observe(seconds)


def rpc_red(method: str) -> Red:
    """Of one RPC, "crm.sales.v1.LeadService/GetLead"."""
    calls = partial(_RPC_CALLS.labels, method)
    return Red(_RPC_SECONDS.labels(method), calls, "INTERNAL", "UNAVAILABLE")


def http_red(method: str, route: str) -> Red:
    """Of one route of the gateway, its template."""
    requests = partial(_HTTP_REQUESTS.labels, method, route)
    return Red(_HTTP_SECONDS.labels(method, route), requests, "500", "503")


def job_done(work: str, every_s: float) -> None:
    """Periodic work was done here, or is expected for the first time."""
    _JOB_EVERY.labels(work).set(every_s)
    _JOB_DONE.labels(work).set_to_current_time()


def watch_calls(running: Callable[[], float]) -> None:
    """Read how many calls are worked on when it is asked."""
    _RPC_RUNNING.set_function(running)


def watch_pool(role: str, size: int, busy: Callable[[], float]) -> None:
    """Read how many connections of a role work when it is asked."""
    _POOL_SIZE.labels(role).set(size)
    _POOL_BUSY.labels(role).set_function(busy)


def serve_metrics(listen: str) -> None:
    """Answer `GET /metrics` at host:port in the Prometheus format, from a thread; "" for nowhere.
    OSError when the address is taken.
    """
    if listen:
        host, _, port = listen.rpartition(":")
        start_http_server(int(port), host.strip("[]"))
