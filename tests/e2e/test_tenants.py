"""Tenants as their operators and administrators change them: a suspended one is shut out within
five seconds and loses nothing; quarters follow the fiscal year.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest

from deploy.local.platform import Platform
from tests.e2e.conftest import Crm, ok
from tests.live import PASSWORD, Tenant, as_dict, eventually, new_tenant

WITHIN_S = 5.0
LISTS = (
    "users",
    "customers",
    "opportunities",
    "campaigns",
    "reports/pipelineSummary?group_by=owner",
)
REASON = "TENANT_SUSPENDED"


@pytest.fixture
def firm(whole_platform: Platform) -> Iterator[Tenant]:
    """A tenant of its own, so that nobody else is shut out."""
    firm = new_tenant(whole_platform, "suspended")
    with closing(firm.http):
        yield firm


def reason(answer: httpx.Response) -> str:
    """Why it was refused; "" when it was not."""
    return "" if answer.status_code == 200 else f"{answer.status_code} {as_dict(answer)['reason']}"


def within(look: Callable[[], object], wanted: object) -> float:
    """Seconds until it looks as wanted, at most those that the platform promises."""
    began = time.monotonic()
    while (found := look()) != wanted:
        assert time.monotonic() - began < WITHIN_S, found
        time.sleep(0.05)
    return time.monotonic() - began


def client_token(firm: Tenant, client_id: str, secret: str) -> httpx.Response:
    """What the token endpoint answers an integration with."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    return httpx.post(f"{firm.url}/oauth/token", data=form)


def sign_in(firm: Tenant, password: str = PASSWORD) -> httpx.Response:
    """A sign-in of the administrator."""
    body = {"email": firm.email, "password": password, "tenant": firm.slug}
    return httpx.post(f"{firm.url}/v1/sessions", json=body)


def refresh(firm: Tenant) -> httpx.Response:
    """The next pair of tokens of the session."""
    body = {"refresh_token": firm.session["refresh_token"]}
    return httpx.post(f"{firm.url}/v1/sessions:refresh", json=body)


def test_a_suspended_tenant_is_shut_out_and_comes_back(
    crm: Crm, firm: Tenant, tenant: Tenant, figures: list[str]
) -> None:
    roles = [str(one["id"]) for one in firm.list("roles", filter='key = "administrator"')]
    client = str(firm.create("apiClients", name="Integration", role_ids=roles)["id"])
    secret = str(as_dict(firm.post(f"apiClients/{client}:addSecret", {}))["secret"])
    token = str(as_dict(client_token(firm, client, secret))["access_token"])
    integration = httpx.Client(base_url=firm.url, headers={"authorization": f"Bearer {token}"})
    assert {reason(firm.http.get(f"/v1/{path}")) for path in LISTS} == {""}
    assert reason(integration.get("/v1/customers")) == ""
    with firm.http.stream("GET", "/v1/events", timeout=WITHIN_S) as stream:
        customer = firm.create("customers", name="Last one")
        firm.create("opportunities", name="Last one", customer_id=customer["id"])
        assert '"state": "SUSPENDED"' in ok(crm("tenant", "suspend", firm.slug))
        paths = [(firm.http, path) for path in LISTS] + [(integration, "customers")]
        shut = within(
            lambda: {reason(http.get(f"/v1/{path}")) for http, path in paths}, {f"403 {REASON}"}
        )
        # Reading times out unless it ends.
        assert sum(1 for _ in stream.iter_lines())
    ok(crm("tenant", "suspend", firm.slug))
    assert f"{firm.slug} " in ok(crm("tenant", "list"))
    assert reason(sign_in(firm)) == reason(refresh(firm)) == f"403 {REASON}"
    assert reason(sign_in(firm, "wrong")) == "401 CREDENTIALS_INVALID"
    assert as_dict(client_token(firm, client, secret))["error"] == "unauthorized_client"
    assert reason(tenant.get("customers")) == ""
    chinese = firm.http.get("/v1/users", headers={"accept-language": "zh"})
    assert "暂停" in str(as_dict(chinese)["detail"])

    assert '"state": "ACTIVE"' in ok(crm("tenant", "resume", firm.slug))
    back = within(lambda: {reason(http.get(f"/v1/{path}")) for http, path in paths}, {""})
    # What was written last has come where it goes meanwhile, and no session was lost.
    summary = eventually(
        lambda: as_dict(firm.get("reports/pipelineSummary", group_by="owner"))["groups"]
    )
    assert isinstance(summary, list)
    assert [one["count"] for one in summary] == [1]
    assert reason(refresh(firm)) == reason(sign_in(firm)) == ""
    assert reason(client_token(firm, client, secret)) == ""
    integration.close()
    figures.append(f"a tenant suspended: shut out after {shut:.2f} s, back after {back:.2f} s")
    assert "nosuch" in crm("tenant", "resume", "nosuch").stderr


def test_quarters_follow_the_fiscal_year_at_once(firm: Tenant) -> None:
    customer = firm.create("customers", name="Bergwerk")["id"]
    for day in ("2026-03-31", "2026-04-01"):
        firm.create("opportunities", name=day, customer_id=customer, expected_close_date=day)

    def quarters() -> list[str]:
        answer = as_dict(firm.get("reports/pipelineSummary", group_by="close_quarter"))
        groups = answer["groups"]
        assert isinstance(groups, list)
        return [str(one["key"]) for one in groups]

    eventually(lambda: quarters() == ["2026Q1", "2026Q2"])
    firm.patch("tenant", {"fiscal_year_start_month": 4})
    within(quarters, ["FY2026Q4", "FY2027Q1"])
