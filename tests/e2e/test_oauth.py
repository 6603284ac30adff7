"""Integrations at the gateway: client credentials, rotation with overlap, narrowing, revocation."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import httpx
import pytest

from tests.live import PASSWORD, Tenant, as_dict, eventually

GRANT = {"grant_type": "client_credentials"}


@dataclass(frozen=True)
class Integration:
    """An API client of a tenant."""

    tenant: Tenant
    id: str

    @property
    def path(self) -> str:
        """Where it lies."""
        return f"apiClients/{self.id}"

    def add_secret(self) -> tuple[str, str]:
        """Another secret: its id and the secret itself."""
        response = self.tenant.post(f"{self.path}:addSecret", {})
        assert response.status_code == 200, response.text
        body = as_dict(response)
        client = body["api_client"]
        assert isinstance(client, dict)
        return client["secrets"][-1]["id"], str(body["secret"])

    def ask(self, secret: str, **form: str) -> httpx.Response:
        """The answer of the token endpoint, asked as OAuth libraries do."""
        url = f"{self.tenant.url}/oauth/token"
        return httpx.post(url, data={**GRANT, **form}, auth=(self.id, secret))

    def token(self, secret: str, **form: str) -> str:
        """A token that must be given."""
        answer = self.ask(secret, **form)
        assert answer.status_code == 200, answer.text
        return str(as_dict(answer)["access_token"])

    @contextmanager
    def http(self, token: str) -> Iterator[httpx.Client]:
        """A client of the API with the token."""
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"{self.tenant.url}/v1", headers=headers, timeout=20) as client:
            yield client


@pytest.fixture
def integration(tenant: Tenant) -> Integration:
    """One that may do everything."""
    (role,) = tenant.list("roles", filter='name = "Administrator"')
    made = tenant.create("api_clients", name="ERP", role_ids=[role["id"]])
    return Integration(tenant, str(made["id"]))


def lets_in(client: httpx.Client) -> bool:
    """Whether the token is good."""
    return client.get("/customers").status_code == 200


def out_within(client: httpx.Client, seconds: float) -> float:
    """Seconds until the token is refused."""
    started = time.monotonic()
    eventually(lambda: client.get("/customers").status_code == 401, timeout_s=seconds)
    return time.monotonic() - started


def test_a_token_by_either_way_works_like_a_session(integration: Integration) -> None:
    _, secret = integration.add_secret()
    posted = {**GRANT, "client_id": integration.id, "client_secret": secret}
    answer = httpx.post(f"{integration.tenant.url}/oauth/token", data=posted)
    assert answer.status_code == 200, answer.text
    body = as_dict(answer)
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "*:*")
    assert answer.headers["cache-control"] == "no-store"
    assert str(body["access_token"]).startswith("crm_ct_")
    with integration.http(str(body["access_token"])) as client:
        made = client.post("/customers", json={"name": "From the ERP"})
        assert made.status_code == 200, made.text
        assert as_dict(made)["creator_id"] == integration.id
        for method, path in (
            ("DELETE", "/sessions/current"),
            ("GET", "/users/me"),
            ("GET", "/users/me/preferences"),
            ("GET", "/announcements:inbox"),
        ):
            refused = client.request(method, path)
            assert (refused.status_code, refused.json()["reason"]) == (403, "METHOD_NOT_OPEN")


def test_rotation_without_a_pause(integration: Integration, figures: list[str]) -> None:
    old_id, old = integration.add_secret()
    old_token = integration.token(old)
    _, new = integration.add_secret()
    new_token = integration.token(new)
    with integration.http(old_token) as before, integration.http(new_token) as after:
        assert {one.get("/customers").status_code for one in (before, after)} == {200}
        assert integration.ask(old).status_code == 200
        removed = integration.tenant.post(f"{integration.path}:removeSecret", {"secret_id": old_id})
        assert removed.status_code == 200, removed.text
        refused = integration.ask(old)
        assert (refused.status_code, as_dict(refused)["error"]) == (401, "invalid_client")
        assert refused.headers["www-authenticate"].startswith("Basic")
        took = out_within(before, 5)
        assert after.get("/customers").status_code == 200
    figures.append(f"tokens of a removed secret end after {took:.2f} s")


def test_scopes_narrow_and_cannot_widen(integration: Integration) -> None:
    _, secret = integration.add_secret()
    changed = integration.tenant.patch(
        integration.path, {"scopes": ["customers:read", "contacts:*"]}
    )
    assert changed.status_code == 200, changed.text
    assert as_dict(integration.ask(secret))["scope"] == "contacts:* customers:read"
    refused = integration.ask(secret, scope="customers:read customers:update")
    assert (refused.status_code, as_dict(refused)["error"]) == (400, "invalid_scope")
    with integration.http(integration.token(secret, scope="customers:read")) as client:
        assert client.get("/customers").status_code == 200
        assert client.post("/customers", json={"name": "x"}).status_code == 403
        assert client.get("/contacts").status_code == 403


def test_revoked_disabled_and_deleted(integration: Integration, figures: list[str]) -> None:
    _, secret = integration.add_secret()
    url, auth = f"{integration.tenant.url}/oauth/revoke", (integration.id, secret)
    tokens = [integration.token(secret) for _ in range(3)]
    path, patch = integration.path, integration.tenant.patch
    ends: tuple[Callable[[], httpx.Response], ...] = (
        partial(httpx.post, url, data={"token": tokens[0]}, auth=auth),
        partial(patch, path, {"state": "DISABLED"}),
        partial(integration.tenant.delete, path),
    )
    took = []
    for token, end in zip(tokens, ends, strict=True):
        if end is ends[2]:
            patch(path, {"state": "ACTIVE"})
        with integration.http(token) as client:
            eventually(partial(lets_in, client))
            ended = end()
            assert ended.status_code == 200, ended.text
            took.append(out_within(client, 5))
    assert httpx.post(url, data={"token": "crm_ct_none"}, auth=auth).status_code == 401
    figures.append(f"tokens revoked, disabled, deleted end after {took} s")


def test_a_client_of_another_tenant_sees_its_own(
    integration: Integration, other_tenant: Tenant
) -> None:
    _, secret = integration.add_secret()
    assert other_tenant.get(integration.path).status_code == 404
    assert other_tenant.post(f"{integration.path}:addSecret", {}).status_code == 404
    foreign = other_tenant.create("customers", name="Foreign")
    with integration.http(integration.token(secret)) as client:
        assert client.get(f"/customers/{foreign['id']}").status_code == 404


def test_a_client_imports_and_follows_its_operation(integration: Integration) -> None:
    _, secret = integration.add_secret()
    with integration.http(integration.token(secret)) as client:
        spec = '{"resource": "customers", "columns": [{"column": "Name", "field": "name"}]}'
        file = b"Name\nImported by a program\n"
        headers = {"content-type": "text/csv"}
        started = client.post("/imports", content=file, headers=headers, params={"spec": spec})
        assert started.status_code == 200, started.text
        name = str(as_dict(started)["name"]).removeprefix("operations/")
        done = eventually(
            lambda: (found := as_dict(client.get(f"/operations/{name}"))).get("done") and found
        )
        assert isinstance(done, dict)
        assert done["error"] is None, done
        response = done["response"]
        assert isinstance(response, dict)
        assert response["created"] == 1


def test_metadata_is_public(tenant: Tenant) -> None:
    answer = httpx.get(f"{tenant.url}/.well-known/oauth-authorization-server")
    assert as_dict(answer)["token_endpoint"] == f"{tenant.url}/oauth/token"


def test_preferences_come_back_at_sign_in_and_people_are_online(tenant: Tenant) -> None:
    saved = {"language": "zh", "theme": "DARK", "client": {"columns": ["name"]}}
    assert tenant.patch("users/me/preferences", saved).status_code == 200
    kept = as_dict(tenant.get("users/me/preferences"))
    assert {name: kept[name] for name in saved} == saved
    sign_in = {"email": tenant.email, "password": PASSWORD}
    session = as_dict(httpx.post(f"{tenant.url}/v1/sessions", json=sign_in))
    assert session["preferences"] == kept
    online = as_dict(tenant.get("users:online"))
    assert online["count"] == 1
    told = tenant.create("announcements", title="公告", body="全体会议")
    inbox = as_dict(tenant.get("announcements:inbox"))
    assert inbox["unread_count"] == 1
    assert tenant.post(f"announcements/{told['id']}:markRead", {}).status_code == 200
    assert as_dict(tenant.get("announcements:inbox"))["unread_count"] == 0
    receipts = as_dict(tenant.get(f"announcements/{told['id']}/receipts", read="true"))
    assert (receipts["read_count"], receipts["unread_count"]) == (1, 0)
