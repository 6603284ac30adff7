"""make bench: the hot operations over HTTP and their statements in pgbench, in one run,
with ratios.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from bench.data import (
    FREQUENT,
    Tenant,
    customer_texts,
    given_name,
    load_customers,
    make_tenant,
)
from bench.load import NextRequest, run_load
from bench.operations import CUSTOMERS, create, get, page, search, update
from bench.pgbench import run_pgbench, scripts
from bench.search import copy_search
from bench.usage import cpu_seconds, memory_mib
from chassis.search.pinyin import pinyin
from deploy.local.platform import Platform

ROWS = int(os.environ.get("BENCH_ROWS", "100000"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "16"))
RESULT = Path(os.environ.get("RUN_DIR", ".run")) / "bench.json"
RATE_LIMIT_PER_S = 100_000
SERVICES = ("identity", "customer", "gateway")

console = Console(soft_wrap=True, width=140)
Result = Mapping[str, float]


def main() -> None:
    """Measure on a platform of its own, print a table, write the figures to RESULT."""
    # The load comes from one tenant; what is measured is the work, not its refusal.
    os.environ["RATE_LIMIT_PER_SECOND"] = str(RATE_LIMIT_PER_S)
    os.environ.setdefault("POSTGRES_SHARED_BUFFERS", "2GB")  # as the production manifest has it
    with tempfile.TemporaryDirectory(prefix="crm-bench-") as folder:
        platform = Platform.for_tests(Path(folder), SERVICES)
        try:
            platform.up()
            results = measure(platform)
            _print_memory(platform)
        finally:
            platform.down()
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(results, indent=2) + "\n")
    _print(results)
    if any(result["errors"] for result in results.values()):
        raise SystemExit("some requests were refused: the figures mean nothing")


def measure(platform: Platform) -> dict[str, Result]:
    """Every operation, pgbench and HTTP one after the other."""
    tenant = make_tenant(platform, "bench")
    console.print(f"loading {ROWS:,} customers")
    owner = platform.database_url("customer", "owner")
    asyncio.run(load_customers(owner, tenant, ROWS))
    asyncio.run(copy_search(owner, "customer", tenant.id, ROWS, customer_texts))
    platform.restart("customer")  # which words are frequent is read at the start
    limits = scripts(tenant, ROWS, platform.database_url("customer", "worker"))
    database = platform.database_url("customer", "runtime")
    results: dict[str, Result] = {}
    for name, requests in OPERATIONS.items():
        console.print(f"{name}: pgbench", end=" ")
        tps = run_pgbench(database, tenant, limits[name], CONNECTIONS, SECONDS)
        console.print(f"{tps:,.0f}/s, HTTP", end=" ")
        results[name] = _over_http(platform, tenant, requests, tps)
        console.print(f"{results[name]['requests_per_s']:,.0f}/s")
    return results


def _over_http(platform: Platform, tenant: Tenant, requests: NextRequest, tps: float) -> Result:
    uvloop.run(run_load(platform.url(), tenant.token, CONNECTIONS, 1.0, requests))
    before = cpu_seconds(platform.pids())
    load = uvloop.run(run_load(platform.url(), tenant.token, CONNECTIONS, SECONDS, requests))
    after = cpu_seconds(platform.pids())
    used = {name: (after[name] - before[name]) * 1000 / load.requests for name in after}
    rate = load.requests / load.seconds
    parts = {f"cpu_ms_{name}": round(value, 3) for name, value in used.items() if value >= 0.01}
    return {
        "requests_per_s": round(rate, 1),
        "p50_ms": round(load.p50_ms, 2),
        "p99_ms": round(load.p99_ms, 2),
        "cpu_ms_per_request": round(sum(used.values()), 3),
        "pgbench_tps": round(tps, 1),
        "ratio_to_pgbench": round(rate / tps, 4),
        "errors": load.errors,
        **parts,
    }


OPERATIONS: Mapping[str, NextRequest] = {
    "get_customer": get(CUSTOMERS, ROWS),
    "create_customer": create(CUSTOMERS),
    "update_customer": update(CUSTOMERS),
    "list_customers": page(),
    "search_two_characters": search(given_name, ROWS),
    "search_pinyin": search(lambda number: pinyin(given_name(number)), ROWS),
    "search_frequent_word": search(lambda _number: FREQUENT, ROWS),
}


def _print(results: Mapping[str, Result]) -> None:
    columns = (
        "requests_per_s", "p50_ms", "p99_ms", "cpu_ms_per_request", "pgbench_tps",
        "ratio_to_pgbench", "errors",
    )  # fmt: skip
    table = Table("operation", *columns, title=f"{ROWS:,} customers, {CONNECTIONS} connections")
    for name, result in results.items():
        table.add_row(name, *[f"{result[column]:,g}" for column in columns])
    console.print(table)
    console.print(f"written to {RESULT}")


def _print_memory(platform: Platform) -> None:
    used = memory_mib(platform.pids())
    console.print("memory, MiB: " + ", ".join(f"{name} {mib:.0f}" for name, mib in used.items()))


if __name__ == "__main__":
    main()
