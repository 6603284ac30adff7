"""make bench-scaling: what one core of each service carries, by CPU seconds per request.

The machine is shared by all processes, so requests per second here are no limit of anything: what
a request costs each of them is.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import uvloop
from rich.console import Console
from rich.table import Table

from bench.data import Tenant, make_tenant
from bench.load import Answer, NextRequest, Request, run_load
from bench.usage import cpu_seconds, memory_mib
from deploy.local.platform import Platform
from deploy.local.settings import GATEWAY, NATS, POSTGRES, SERVICES

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "8"))
TENANTS = int(os.environ.get("BENCH_TENANTS", "40"))
RESULT = Path(os.environ.get("RUN_DIR", ".run")) / "bench-scaling.json"
RATE_LIMIT_PER_S = 100_000
SETTLED_S = 120.0
PENDING = "SELECT count(*) FROM base.change WHERE publish_time IS NULL"

console = Console(soft_wrap=True, width=140)
Costs = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Owner:
    """A service by a resource that it owns."""

    service: str
    collection: str
    body: Mapping[str, object]


OWNERS = (
    Owner("identity", "departments", {"name": "部门"}),
    Owner("customer", "customers", {"name": "张三贸易有限公司", "phone": "+86 138 00000000"}),
    Owner("sales", "opportunities",
          {"name": "商机", "amount": {"currency_code": "USD", "amount": "10.50"}}),
    Owner("marketing", "campaigns", {"name": "活动"}),
)  # fmt: skip


def main() -> None:
    """Measure on a platform of its own, print tables, write the figures to RESULT."""
    os.environ["RATE_LIMIT_PER_SECOND"] = str(RATE_LIMIT_PER_S)
    with tempfile.TemporaryDirectory(prefix="crm-bench-") as folder:
        platform = Platform.for_tests(Path(folder))
        try:
            platform.up()
            results = Scaling(platform).measure()
        finally:
            platform.down()
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(results, indent=2) + "\n")
    _print(results)
    console.print(f"written to {RESULT}")


class Scaling:
    """The measurements on one platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._tenant = make_tenant(platform, "scaling")
        self._headers = {"authorization": f"Bearer {self._tenant.token}"}

    def measure(self) -> Mapping[str, object]:
        """Requests, events, memory and connections."""
        requests: Costs = {}
        for owner in OWNERS:
            requests |= self._requests_of(owner)
        summary = _always("GET", "/v1/reports/pipelineSummary?group_by=stage")
        requests["reporting report"] = self._cost(summary)
        return {
            "cpu_ms_per_request": requests,
            "events": self._events(),
            "memory_mib": self._memory(),
            "database_connections": asyncio.run(self._connections()),
        }

    def _requests_of(self, owner: Owner) -> Costs:
        path, body = f"/v1/{owner.collection}", json.dumps(owner.body).encode()
        created = self._cost(_always("POST", path, body))
        page = httpx.get(
            f"{self._platform.url()}{path}", params={"page_size": 1}, headers=self._headers
        )
        first = page.raise_for_status().json()[owner.collection][0]["id"]
        return {
            f"{owner.service} create": created,
            f"{owner.service} get": self._cost(_always("GET", f"{path}/{first}")),
            f"{owner.service} list of 50": self._cost(_always("GET", f"{path}?page_size=50")),
        }

    def _cost(self, requests: NextRequest) -> dict[str, float]:
        """CPU milliseconds per request by process, with what it leaves to be done after it."""
        url, token = self._platform.url(), self._tenant.token
        uvloop.run(run_load(url, token, CONNECTIONS, 0.5, requests))
        self._settle()
        before = cpu_seconds(self._platform.pids())
        load = uvloop.run(run_load(url, token, CONNECTIONS, SECONDS, requests))
        self._settle()
        after = cpu_seconds(self._platform.pids())
        if load.errors:
            raise SystemExit(f"{load.errors} requests were refused: the figures mean nothing")
        used = {name: (after[name] - before[name]) * 1000 / load.requests for name in after}
        return {name: round(ms, 3) for name, ms in used.items()} | {
            "requests_per_s": round(load.requests / load.seconds, 1)
        }

    def _events(self) -> dict[str, float]:
        """How fast a backlog is published and applied, and what an event costs."""
        with self._without_broker():
            body = json.dumps(OWNERS[2].body).encode()
            requests = _always("POST", "/v1/opportunities", body)
            uvloop.run(
                run_load(self._platform.url(), self._tenant.token, CONNECTIONS, SECONDS * 2,
                         requests)
            )  # fmt: skip
            backlog = self._count("sales", PENDING)
            facts = self._count("reporting", "SELECT count(*) FROM base.opportunity_fact")
        return {"backlog": backlog} | self._caught_up(backlog, facts + backlog)

    def _caught_up(self, backlog: int, facts: int) -> dict[str, float]:
        began, before = time.monotonic(), cpu_seconds(self._platform.pids())
        self._until(lambda: not self._count("sales", PENDING))
        published_s, published = time.monotonic() - began, cpu_seconds(self._platform.pids())
        query = "SELECT count(*) FROM base.opportunity_fact"
        self._until(lambda: self._count("reporting", query) >= facts)
        applied_s, after = time.monotonic() - began, cpu_seconds(self._platform.pids())
        return {
            "published_per_s": round(backlog / published_s, 1),
            "applied_per_s": round(backlog / applied_s, 1),
            "relay_cpu_ms": round((published["sales"] - before["sales"]) * 1000 / backlog, 3),
            "consumer_cpu_ms": round(
                (after["reporting"] - before["reporting"]) * 1000 / backlog, 3
            ),
            "log_cpu_ms": round((after["identity"] - before["identity"]) * 1000 / backlog, 3),
            "broker_cpu_ms": round((after[NATS] - before[NATS]) * 1000 / backlog, 3),
            "database_cpu_ms": round((after[POSTGRES] - before[POSTGRES]) * 1000 / backlog, 3),
        }

    def _memory(self) -> dict[str, dict[str, float]]:
        """Resident memory, and what one more tenant that works adds to it."""
        before = memory_mib(self._platform.pids())
        for number in range(TENANTS):
            self._use(make_tenant(self._platform, f"tenant-{number}"))
        after = memory_mib(self._platform.pids())
        names = (*SERVICES, GATEWAY)
        return {
            "under_load": {name: round(before[name], 1) for name in names},
            "per_tenant": {
                name: round((after[name] - before[name]) / TENANTS, 3) for name in names
            },
        }

    def _use(self, tenant: Tenant) -> None:
        headers = {"authorization": f"Bearer {tenant.token}"}
        with httpx.Client(base_url=self._platform.url(), headers=headers, timeout=20) as http:
            for owner in OWNERS:
                http.post(f"/v1/{owner.collection}", json=owner.body).raise_for_status()
                http.get(f"/v1/{owner.collection}").raise_for_status()

    async def _connections(self) -> dict[str, int]:
        connection = await asyncpg.connect(self._platform.admin_database_url())
        try:
            rows = await connection.fetch(
                "SELECT datname, count(*) AS number FROM pg_stat_activity"
                " WHERE datname LIKE 'crm_%' GROUP BY datname"
            )
        finally:
            await connection.close()
        return {row["datname"]: row["number"] for row in rows}

    @contextmanager
    def _without_broker(self) -> Iterator[None]:
        self._platform.stop(NATS)
        try:
            yield
        finally:
            self._platform.start(NATS)

    def _settle(self) -> None:
        """Wait until everything is published, and a moment for those who hear it."""
        self._until(lambda: not any(self._count(one.service, PENDING) for one in OWNERS))
        time.sleep(1.0)

    def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SETTLED_S
        while not done():
            if time.monotonic() > deadline:
                raise SystemExit(f"not settled within {SETTLED_S:.0f} s")
            time.sleep(0.1)

    def _count(self, service: str, query: str) -> int:
        async def ask() -> int:
            connection = await asyncpg.connect(self._platform.database_url(service, "owner"))
            try:
                return int(await connection.fetchval(query))
            finally:
                await connection.close()

        return asyncio.run(ask())


def _always(method: str, path: str, body: bytes = b"") -> NextRequest:
    def request(_at: int, _count: int, _last: Answer | None) -> Request:
        return method, path, body, ""

    return request


def _print(results: Mapping[str, object]) -> None:
    costs = results["cpu_ms_per_request"]
    assert isinstance(costs, dict)
    columns = (GATEWAY, *SERVICES, POSTGRES, NATS)
    table = Table("CPU ms per request", *columns, "requests/s here")
    for name, cost in costs.items():
        table.add_row(name, *[f"{cost[column]:g}" for column in columns],
                      f"{cost['requests_per_s']:g}")  # fmt: skip
    console.print(table)
    console.print_json(json.dumps({name: one for name, one in results.items() if one is not costs}))


if __name__ == "__main__":
    main()
