"""What each process tells at its metrics port, and that it tells nothing about anybody."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.platform import Platform
from deploy.local.settings import HOST, SERVICES
from tests.live import Tenant, eventually

IN_EVERY_SERVICE = (
    "crm_rpc_seconds_bucket", "crm_rpc_running", "crm_pool_size",
    "crm_pool_busy", "crm_relay_unpublished_age_seconds", "crm_relay_leader",
    "crm_relay_published_total", "crm_operations_waiting", "process_resident_memory_bytes",
)  # fmt: skip


def samples(platform: Platform, name: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Values of a process by name and labels."""
    text = httpx.get(f"http://{HOST}:{platform.port(f'{name}_metrics')}/metrics").text
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def total(platform: Platform, name: str, metric: str, **labels: str) -> float:
    """Sum over the samples of a metric that have these labels."""
    wanted = labels.items()
    found = samples(platform, name).items()
    return sum(
        value for (one, own), value in found if one == metric and wanted <= dict(own).items()
    )


def test_every_service_tells_the_same(followed: Platform, tenant: Tenant) -> None:
    tenant.get("customers")
    for service in SERVICES:
        names = {name for name, _labels in samples(followed, service)}
        assert not set(IN_EVERY_SERVICE) - names, service
    assert "crm_consumer_pending" in {name for name, _ in samples(followed, "reporting")}


def test_calls_and_requests_are_counted_by_how_they_end(followed: Platform, tenant: Tenant) -> None:
    method = "crm.customer.v1.CustomerService/CreateCustomer"

    def calls(code: str) -> float:
        return total(followed, "customer", "crm_rpc_calls_total", method=method, code=code)

    def requests(status: str) -> float:
        labels = {"method": "POST", "route": "/v1/customers", "status": status}
        return total(followed, "gateway", "crm_http_requests_total", **labels)

    before = calls("OK"), calls("INVALID_ARGUMENT"), requests("200"), requests("400")
    tenant.create("customers", name="Metered")
    assert tenant.post("customers", {"name": ""}).status_code == 400
    after = calls("OK"), calls("INVALID_ARGUMENT"), requests("200"), requests("400")
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1, 1]
    seconds = total(followed, "customer", "crm_rpc_seconds_count", method=method)
    assert seconds == total(followed, "customer", "crm_rpc_calls_total", method=method)


def test_the_relay_and_a_consumer_are_seen_at_work(followed: Platform, tenant: Tenant) -> None:
    def published() -> float:
        return total(followed, "customer", "crm_relay_published_total")

    before = published()
    tenant.create("customers", name="Published")
    eventually(lambda: published() > before)
    applied = eventually(lambda: total(followed, "sales", "crm_consumer_applied_total"))
    assert applied > 0


def test_labels_name_no_tenant_and_no_path_of_a_caller(followed: Platform, tenant: Tenant) -> None:
    secret = "canary-6f1c"
    assert tenant.get(f"nothing/{secret}").status_code == 404
    assert tenant.get(f"customers/{secret}").status_code in {400, 404}
    for name in (*SERVICES, "gateway"):
        told = str(samples(followed, name))
        assert tenant.id not in told
        assert secret not in told
