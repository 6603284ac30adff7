"""make bench-scale: single records, and lists under every scope, over 1,000,000 customers and
opportunities, beside nine smaller tenants: latencies over HTTP, and plans as the runtime role sees
them.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from urllib.parse import quote

import uvloop
from rich.console import Console
from rich.table import Table

from bench.data import make_tenant
from bench.declared import declared_filters
from bench.load import Answer, Load, NextRequest, Request, run_load
from bench.operations import CUSTOMERS, OPPORTUNITIES, create, get, update
from bench.organisation import FILTERS, Organisation, found, index_scores, load
from bench.plans import find_scans, plans
from bench.usage import cpu_seconds
from chassis.custom_fields.model import CUSTOM
from deploy.local.platform import Platform

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "0.7"))
CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "16"))
P99_MS_MAX = 100.0
# Of some 150 requests the p99 is that of the slowest two: what looks slow is looked at for longer.
LONGER_SECONDS = max(5.0, SECONDS)
SMALL_TENANTS = 9
RESULT = Path(os.environ.get("RUN_DIR", ".run")) / "bench-scale.json"
SERVICES = ("identity", "customer", "sales", "gateway")
ORDERS: Mapping[str, Sequence[str]] = {
    "customers": (
        "name", "number", "annual_revenue", "create_time", "update_time", "custom_fields.score",
    ),
    "opportunities": (
        "name", "amount", "expected_close_date", "close_date", "create_time", "update_time",
        "custom_fields.score",
    ),
}  # fmt: skip

console = Console(soft_wrap=True, width=140)


@dataclass(frozen=True, slots=True)
class Case:
    """One list as one person asks for it."""

    person: str
    collection: str
    order_by: str
    filter: str

    @property
    def path(self) -> str:
        """Its path with the query."""
        query = f"order_by={quote(self.order_by)}&filter={quote(self.filter)}&page_size=50"
        return f"/v1/{self.collection}?{query}"

    @property
    def name(self) -> str:
        """What the table shows."""
        return f"{self.person}: {self.collection} by {self.order_by}, {self.filter or 'all'}"


def main() -> None:
    """Load, read the plans, measure; fails on a scan, an error or a slow list."""
    os.environ["RATE_LIMIT_PER_SECOND"] = "100000"
    os.environ.setdefault("POSTGRES_SHARED_BUFFERS", "2GB")  # as the production manifest has it
    with tempfile.TemporaryDirectory(prefix="crm-scale-") as folder:
        platform = Platform.for_tests(Path(folder), SERVICES)
        try:
            platform.up()
            organisation = _load(platform)
            took = index_scores(platform, organisation)
            console.print(f"index of an own field made while nobody waits, seconds: {took}")
            for service in ("customer", "sales"):  # which words are frequent is read at the start
                platform.restart(service)
            count, scans = asyncio.run(find_scans(platform, organisation, ORDERS))
            console.print(f"{count} plans read as the runtime role, {len(scans)} scan a table")
            results = _measure_all(platform, organisation)
        finally:
            platform.down()
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    _print(results)
    if scans:
        raise SystemExit("\n".join(["these lists scan a table:", *scans]))


def _load(platform: Platform) -> Organisation:
    organisation = found(platform, make_tenant(platform, "big"), "big")
    console.print(f"loading {ROWS:,} customers and {ROWS:,} opportunities")
    load(platform, organisation, ROWS)
    for number in range(SMALL_TENANTS):
        slug = f"small{number}"
        small = found(platform, make_tenant(platform, slug), slug)
        load(platform, small, ROWS // 100)
    return organisation


def _cases() -> Iterator[Case]:
    people = ("all", "tree", "department", "subordinates", "own")
    for collection, fields in ORDERS.items():
        for person, field, way in product(people, fields, ("", " desc")):
            for condition in ("", *FILTERS[collection]):
                yield Case(person, collection, field + way, condition)
    for person, (_, plan) in product(people, plans()):
        for condition in declared_filters(plan.filters):
            yield Case(person, plan.plural, "name", condition)


def _measure_all(platform: Platform, organisation: Organisation) -> dict[str, Mapping[str, float]]:
    """Single records first, then every list."""
    everybody, own = organisation.tokens["all"], organisation.tokens["own"]
    single = {"own: create customers": (own, create(CUSTOMERS))}
    for of in (CUSTOMERS, OPPORTUNITIES):
        single |= {
            f"all: get {of.collection}": (everybody, get(of, ROWS)),
            f"all: create {of.collection}": (everybody, create(of)),
            f"all: update {of.collection}": (everybody, update(of)),
        }
    lists = {case.name: (organisation.tokens[case.person], _always(case.path)) for case in _cases()}
    asked = single | lists
    results = {name: _measure(platform, SECONDS, *one) for name, one in asked.items()}
    slow = [name for name, one in results.items() if one["p99_ms"] >= P99_MS_MAX]
    console.print(f"{len(slow)} looked slow, and are measured for {LONGER_SECONDS:g} s each")
    return results | {name: _measure(platform, LONGER_SECONDS, *asked[name]) for name in slow}


def _measure(
    platform: Platform, seconds: float, token: str, requests: NextRequest
) -> Mapping[str, float]:
    uvloop.run(run_load(platform.url(), token, CONNECTIONS, 0.1, requests))
    before = sum(cpu_seconds(platform.pids()).values())
    done: Load = uvloop.run(run_load(platform.url(), token, CONNECTIONS, seconds, requests))
    used = sum(cpu_seconds(platform.pids()).values()) - before
    return {
        "p50_ms": round(done.p50_ms, 1),
        "p99_ms": round(done.p99_ms, 1),
        "cpu_ms": round(used * 1000 / done.requests, 2),
        "requests": done.requests,
        "errors": done.errors,
    }


def _always(path: str) -> NextRequest:
    def request(_at: int, _count: int, _last: Answer | None) -> Request:
        return "GET", path, b"", ""

    return request


def _print(results: Mapping[str, Mapping[str, float]]) -> None:
    worst = sorted(results.items(), key=lambda item: -item[1]["p99_ms"])
    middle = {
        key: median(one[key] for one in results.values()) for key in ("p50_ms", "p99_ms", "cpu_ms")
    }
    console.print(f"medians of {len(results)}: {middle}")
    single = [(name, one) for name, one in results.items() if " by " not in name]
    shown = {"single records": single, f"the slowest of {len(results)}": worst[:25]}
    for title, ones in shown.items():
        table = Table("request", "p50 ms", "p99 ms", "CPU ms", title=title)
        for name, one in ones:
            table.add_row(name, *[f"{one[key]:g}" for key in ("p50_ms", "p99_ms", "cpu_ms")])
        console.print(table)
    # What is promised goes by declared fields; the order of an own field is shown beside it.
    promised = [(name, one) for name, one in worst if f" by {CUSTOM}." not in name]
    slow = [name for name, one in promised if one["p99_ms"] >= P99_MS_MAX]
    if any(one["errors"] for one in results.values()):
        raise SystemExit("some requests were refused: the figures mean nothing")
    if slow:
        raise SystemExit(f"{len(slow)} of {len(promised)} have a p99 of 100 ms or more")
    console.print(f"all {len(promised)} have a p99 below {P99_MS_MAX:g} ms")


if __name__ == "__main__":
    main()
