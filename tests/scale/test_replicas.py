"""Three replicas of everything lose and repeat nothing while one of each is killed; what happens at
one is felt at all.
"""

import asyncio
import secrets
import time
from collections.abc import Callable

import httpx
import pytest

from deploy.local.platform import Platform
from deploy.local.settings import GATEWAY, HOST, SERVICES
from tests.e2e.test_events_live import listening
from tests.fault.drill import Site
from tests.live import PASSWORD, Tenant, new_tenant, signed_in
from tests.scale.book import lost_or_twice, out_of_order
from tests.scale.load import Load, Tenants, wait_for

FELT_S = 5.0
RECOVERY_S = 10.0
DOWN_S = 0.5
COLLECTIONS = {"identity": "departments", "customer": "customers", "sales": "opportunities",
               "marketing": "campaigns"}  # fmt: skip


def relay_leader(platform: Platform, service: str) -> str:
    """The replica that publishes the service's events."""
    for name in platform.instances(service):
        url = f"http://{HOST}:{platform.port(f'{name}_metrics')}/metrics"
        text = httpx.get(url, trust_env=False).text
        if any(line.startswith("crm_relay_leader") and line.endswith(" 1.0")
               for line in text.splitlines()):  # fmt: skip
            return name
    return ""


def probe(tenant: Tenant, service: str, site: Site) -> Callable[[], bool]:
    """Writes to the service once, as often as it has to be tried, then looks whether its event is
    published; for reporting, whether the read model has it.
    """
    owner = service if service in COLLECTIONS else "sales"
    key, url = secrets.token_hex(8), tenant.url
    made: list[str] = []

    def recovered() -> bool:
        if not made:
            body = {"name": f"probe {key}"}
            headers = {**tenant.http.headers, "idempotency-key": key}
            try:
                path = f"{url}/v1/{COLLECTIONS[owner]}"
                answer = httpx.post(path, json=body, headers=headers, timeout=5)
            except httpx.HTTPError:
                return False
            if answer.status_code != httpx.codes.OK:
                return False
            made.append(str(answer.json()["id"]))
        if service == "reporting":
            return bool(site.rows(service, "SELECT 1 FROM opportunity_fact WHERE id = $1", made[0]))
        query = "SELECT 1 FROM change WHERE record_id = $1 AND publish_time IS NOT NULL"
        return bool(site.rows(owner, query, made[0]))

    return recovered


async def kill(platform: Platform, tenant: Tenant, service: str) -> tuple[float, float]:
    """Kill the replica that leads, or of the gateway the second one; how long until a write there
    is acknowledged and told on (s), and until the killed one is back.
    """
    if service == GATEWAY:
        name = platform.instances(GATEWAY)[1]
    else:
        leader = await wait_for(lambda: relay_leader(platform, service))
        name = platform.instances(service)[1] if service == "reporting" else leader
    began = time.monotonic()
    assert await asyncio.to_thread(platform.kill, name) is not None
    look = probe(tenant, service if service != GATEWAY else "customer", Site(platform))
    await wait_for(look)
    recovered = time.monotonic() - began
    await asyncio.sleep(DOWN_S)
    await asyncio.to_thread(platform.start, name)
    return recovered, time.monotonic() - began


def parked(site: Site) -> list[str]:
    """Events that some consumer could not apply."""
    query = "SELECT event_id FROM parked"
    return [str(row["event_id"]) for name in SERVICES for row in site.rows(name, query)]


@pytest.mark.timeout(300)
async def test_one_of_each_killed_loses_and_repeats_nothing(
    replicated: Platform, tenants: Tenants, load: Load, figures: list[str]
) -> None:
    site = Site(replicated)
    prober = await asyncio.to_thread(new_tenant, replicated, "prober")
    load.start()
    await asyncio.sleep(1.0)
    recovered = {name: await kill(replicated, prober, name) for name in (*SERVICES, GATEWAY)}
    await load.stop()
    prober.http.close()
    assert load.problems == []
    for slug, (tenant, _) in tenants.items():
        book = load.books[slug]
        assert await asyncio.to_thread(lost_or_twice, tenant, book) == []
        assert len(book.ids) == len(book.deals) > 0
    await wait_for(lambda: site.differences() == [])
    for tenant, _ in tenants.values():
        assert await asyncio.to_thread(out_of_order, site, tenant) == []
    assert await asyncio.to_thread(parked, site) == []
    told = ", ".join(f"{name} {seconds:.1f} s" for name, (seconds, _) in recovered.items())
    figures.append(
        f"three replicas, {load.requests} requests, {len(recovered)} kills -9:"
        f" {load.failed.total()} sent again, {load.balancer.refused.total()} connections refused,"
        f" the slowest answered after {load.longest_s:.1f} s;"
        f" a write is acknowledged and told on {told} after the kill"
    )
    assert max(seconds for seconds, _ in recovered.values()) < RECOVERY_S, told


def at(platform: Platform, number: int, tenant: Tenant) -> httpx.Client:
    """The session of a tenant at another gateway."""
    url = platform.url(platform.instances(GATEWAY)[number])
    return httpx.Client(base_url=f"{url}/v1", headers=tenant.http.headers, timeout=10)


def test_live_events_of_changes_at_another_gateway(replicated: Platform, tenants: Tenants) -> None:
    tenant = next(iter(tenants.values()))[0]
    with (
        listening(replicated.url(), tenant.session["access_token"]) as listener,
        at(replicated, 1, tenant) as second,
        at(replicated, 2, tenant) as third,
    ):
        for gateway in (second, third):
            made = gateway.post("/customers", json={"name": "elsewhere"})
            assert listener.until(made.json()["id"]).name == "customer.created"


def until_refused(gateways: list[httpx.Client], path: str, status: int) -> float:
    """Seconds until every gateway refuses, which it then does whichever replica it asks."""
    began, in_a_row = time.monotonic(), 0
    refused_at = began
    while in_a_row < 12:
        assert time.monotonic() < began + 2 * FELT_S, f"{path} is still allowed"
        for gateway in gateways:
            if gateway.get(path).status_code == status:
                in_a_row += 1
            else:
                in_a_row, refused_at = 0, time.monotonic()
    return refused_at - began


def test_sign_out_and_roles_at_one_gateway_are_felt_at_all(
    replicated: Platform, tenants: Tenants, figures: list[str]
) -> None:
    tenant = next(iter(tenants.values()))[0]
    read = [{"resource": "customers", "verbs": ["READ"], "scope": "ALL"}]
    role = tenant.create("roles", name="reader", grants=read)["id"]
    email = f"reader@{tenant.slug}.example.com"
    tenant.create("users", name="读", login="reader", email=email, password=PASSWORD,
                  role_ids=[role])  # fmt: skip
    reader = signed_in(tenant.url, tenant.slug, tenant.id, email)
    gateways = [at(replicated, number, reader) for number in range(3)]
    try:
        for _ in range(3):  # whichever replica is asked, it knows the reader now
            for gateway in gateways:
                assert gateway.get("/customers").status_code == httpx.codes.OK
        tenant.patch(f"roles/{role}", {"grants": []})
        roles_s = until_refused(gateways, "/customers", httpx.codes.FORBIDDEN)
        assert reader.delete("sessions/current").status_code == httpx.codes.OK
        signed_out_s = until_refused(gateways, "/users/me", httpx.codes.UNAUTHORIZED)
    finally:
        for gateway in gateways:
            gateway.close()
        reader.http.close()
    figures.append(
        f"three gateways: a role's grants gone at all after {roles_s:.2f} s, a session signed out"
        f" after {signed_out_s:.2f} s"
    )
    assert max(roles_s, signed_out_s) < FELT_S
