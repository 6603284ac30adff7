"""The previous version and this one side by side under load: nobody notices the upgrade."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pytest

from deploy.local.platform import Platform
from deploy.local.settings import GATEWAY, NATS, POSTGRES, ROOT, SERVICES
from tests.fault.drill import Json, Site
from tests.fault.fronts import Fronts
from tests.fault.test_kills import recomputed, report
from tests.fault.versions import EVERY, Version, previous_tree
from tests.live import Tenant, as_dict, eventually, new_tenant

THREADS, PAUSE_S, SIDE_BY_SIDE_S, SETTLED_S = 2, 0.1, 3.0, 40.0
# A load balancer sends nothing new to what is about to end.
LEAVE_S = 0.5
OPEN = "outcome = OPEN"


@dataclass
class Load:
    """Threads that write through one gateway and read through the next, until told to stop.

    Like our clients they send a key with every write and the version that they have read.
    """

    tenant: Tenant
    stages: list[str]
    urls: list[str]
    acknowledged: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    requests: int = 0

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._turns = count()
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what is under way."""
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, number: int) -> None:
        with httpx.Client(headers=self.tenant.http.headers, timeout=20) as http:
            at = 0
            while not self._ended.is_set():
                at += 1
                self._deal(http, f"{number}-{at}", at)
                time.sleep(PAUSE_S)

    def _deal(self, http: httpx.Client, name: str, at: int) -> None:
        customer = self._send(http, "POST", "customers", {"name": f"客户 {name}"})
        self.acknowledged[f"客户 {name}"] = str(customer.get("id"))
        path = f"customers/{customer.get('id')}"
        read = self._send(http, "GET", path)
        if (known := customer.keys() & read.keys()) and at % 2:
            self._note(all(customer[key] == read[key] for key in known), f"{customer} is {read}")
        match = {"if-match": str(read.get("etag"))}
        self._send(http, "PATCH", path, {"industry": name}, match)
        deal = self._send(
            http, "POST", "opportunities",
            {
                "name": f"商机 {name}", "customer_id": customer.get("id"),
                "stage_id": self.stages[at % len(self.stages)],
                "amount": {"currency_code": "USD", "amount": f"{at}.50"},
            },
        )  # fmt: skip
        if at % 3 == 0:
            self._send(http, "POST", f"opportunities/{deal.get('id')}:win", {})
        self._send(http, "GET", "customers?page_size=20&order_by=create_time%20desc")
        self._send(http, "GET", "reports/pipelineSummary?group_by=stage")

    def _send(
        self, http: httpx.Client, method: str, path: str, body: Json | None = None,
        headers: dict[str, str] | None = None,
    ) -> Json:  # fmt: skip
        turn = next(self._turns)
        urls = self.urls
        url = urls[turn % len(urls)]
        keys = {"idempotency-key": f"load-{turn}"} if body is not None else {}
        began = time.monotonic()
        try:
            answer = http.request(
                method, f"{url}/v1/{path}", json=body, headers={**keys, **(headers or {})}
            )
        except httpx.HTTPError as error:
            self._note(False, f"{method} {path} at {url}: {error!r}")
            return {}
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.requests += 1
        self._note(answer.status_code == 200, f"{method} {path} at {url}: {answer.text}")
        return as_dict(answer)

    def _note(self, right: bool, what: str) -> None:
        if not right:
            self.problems.append(f"{time.strftime('%H:%M:%S')} {what}")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """Servers with every service's roles and database, and nothing that runs on them."""
    platform = Platform.for_tests(tmp_path / "platform")
    try:
        for name in (POSTGRES, NATS):
            platform.start(name)
        for service in SERVICES:
            platform.prepare_database(service)
        yield platform
    finally:
        platform.down()


@pytest.mark.timeout(300)
def test_nobody_notices_an_upgrade(platform: Platform, tmp_path: Path, figures: list[str]) -> None:
    fronts = Fronts({name: platform.port(name) for name in EVERY})
    previous, version = (
        Version(previous_tree(tmp_path / "previous"), platform),
        Version(ROOT, platform),
    )
    with fronts.open():
        try:
            upgrade(platform, fronts, (previous, version), figures)
        finally:
            previous.kill()
            version.kill()


def upgrade(
    platform: Platform, fronts: Fronts, versions: tuple[Version, Version], figures: list[str]
) -> None:
    """Install the previous version, put this one beside it, take the previous one away."""
    previous, version = versions
    previous.migrate()
    previous.start(EVERY)
    for name in EVERY:
        fronts.behind[name] = [previous.ports[name]]
    tenant = new_tenant(platform, "upgrade")
    stages = eventually(lambda: [str(one["id"]) for one in tenant.list("stages", filter=OPEN)])
    load = Load(tenant, stages, [previous.url])
    began = time.monotonic()
    try:
        version.migrate()
        migrated_s = time.monotonic() - began
        version.start(EVERY)
        for name in EVERY:
            fronts.behind[name].append(version.ports[name])
        load.urls = [previous.url, version.url]
        time.sleep(SIDE_BY_SIDE_S)
        codes: dict[str, int] = {}
        for name in SERVICES:
            codes[name] = replace(fronts, versions, name)
        load.urls = [version.url]
        codes[GATEWAY] = replace(fronts, versions, GATEWAY)
    finally:
        load.stop()
    assert load.problems == []
    assert codes == dict.fromkeys(EVERY, 0)
    figures.append(
        f"upgrade: {load.requests} requests in {time.monotonic() - began:.0f} s through both"
        f" versions, 0 failed, the slowest {load.slowest_s:.2f} s; migrations {migrated_s:.0f} s"
    )
    settled(platform, load)
    tenant.http.close()


def replace(fronts: Fronts, versions: tuple[Version, Version], name: str) -> int:
    """Leave a component to the new version alone; how the previous one ended."""
    fronts.behind[name] = [versions[1].ports[name]]
    time.sleep(LEAVE_S)
    return versions[0].stop(name)


def settled(platform: Platform, load: Load) -> None:
    """What was acknowledged is there once, and everybody knows the same of it."""
    site, tenant = Site(platform), load.tenant
    eventually(lambda: site.differences() == [], timeout_s=SETTLED_S, every_s=0.5)
    found = tenant.list("customers", page_size=1000, fields="name")
    names = Counter(str(one["name"]) for one in found)
    assert names == dict.fromkeys(load.acknowledged, 1)
    assert {str(one["name"]): one["id"] for one in found} == load.acknowledged
    assert report(tenant) == recomputed(tenant)
    versions: dict[tuple[str, str], list[int]] = {}
    for resource, record, version in site.changes().values():
        versions.setdefault((resource, record), []).append(version)
    assert [one for one in versions.values() if sorted(one) != list(range(1, len(one) + 1))] == []
    parked = [row for name in SERVICES for row in site.rows(name, "SELECT event_id FROM parked")]
    assert parked == []
