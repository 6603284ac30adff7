"""Signing in, refreshing, signing out and changing the password, through the gateway."""

import httpx
import pytest

from tests.live import PASSWORD, Tenant, as_dict, eventually

NEW_PASSWORD = "another correct horse battery"


def sign_in(where: Tenant, /, **body: str) -> httpx.Response:
    return httpx.post(f"{where.url}/v1/sessions", json=body)


def me(tenant: Tenant, token: object) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{tenant.url}/v1/users/me", headers=headers)


def problem(response: httpx.Response, status: int) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = as_dict(response)
    assert {"type", "title", "status", "detail", "instance", "reason", "errors"} <= set(body)
    return body


def test_sign_in_with_email_or_login(tenant: Tenant) -> None:
    by_email = sign_in(tenant, email=tenant.email, password=PASSWORD)
    by_login = sign_in(tenant, login="admin", tenant=tenant.slug, password=PASSWORD)
    for response in (by_email, by_login):
        assert response.status_code == 200, response.text
        assert response.headers["cache-control"] == "no-store"
        body = as_dict(response)
        assert body["token_type"] == "Bearer"
        assert str(body["access_token"]).count(".") == 0  # opaque, no JWT
        assert as_dict(me(tenant, body["access_token"]))["email"] == tenant.email


@pytest.mark.parametrize(
    "wrong", [{"password": "wrong"}, {"email": "nobody@example.com"}, {"tenant": "nowhere"}]
)
def test_every_wrong_sign_in_looks_the_same(tenant: Tenant, wrong: dict[str, str]) -> None:
    right = {"email": tenant.email, "password": PASSWORD, "tenant": tenant.slug}
    body = problem(sign_in(tenant, **(right | wrong)), 401)
    usual = problem(sign_in(tenant, **(right | {"password": "no"})), 401)
    assert {**body, "instance": "", "trace_id": ""} == {**usual, "instance": "", "trace_id": ""}


def test_refresh_rotates_and_a_used_token_ends_the_session(tenant: Tenant) -> None:
    first = as_dict(sign_in(tenant, email=tenant.email, password=PASSWORD))
    path = f"{tenant.url}/v1/sessions:refresh"
    response = httpx.post(path, json={"refresh_token": first["refresh_token"]})
    assert response.status_code == 200, response.text
    second = as_dict(response)
    assert second["refresh_token"] != first["refresh_token"]
    assert me(tenant, second["access_token"]).status_code == 200
    problem(httpx.post(path, json={"refresh_token": first["refresh_token"]}), 401)
    # Somebody has both tokens of one session: it is over for everybody, at the latest in 5 seconds.
    eventually(lambda: me(tenant, second["access_token"]).status_code == 401, timeout_s=5)
    problem(httpx.post(path, json={"refresh_token": second["refresh_token"]}), 401)


def test_sign_out_ends_the_session_at_once(tenant: Tenant) -> None:
    session = as_dict(sign_in(tenant, email=tenant.email, password=PASSWORD))
    headers = {"authorization": f"Bearer {session['access_token']}"}
    assert me(tenant, session["access_token"]).status_code == 200
    response = httpx.delete(f"{tenant.url}/v1/sessions/current", headers=headers)
    assert response.status_code == 200, response.text
    problem(me(tenant, session["access_token"]), 401)
    refresh = {"refresh_token": session["refresh_token"]}
    problem(httpx.post(f"{tenant.url}/v1/sessions:refresh", json=refresh), 401)


def test_password_change_ends_other_sessions(tenant: Tenant) -> None:
    user = tenant.create("users", name="王小明", password=PASSWORD)
    login = str(user["login"])
    assert login == "wangxm"
    here, there = (
        as_dict(sign_in(tenant, login=login, tenant=tenant.slug, password=PASSWORD))
        for _ in range(2)
    )
    change = httpx.post(
        f"{tenant.url}/v1/users/me:changePassword",
        json={"old_password": PASSWORD, "new_password": NEW_PASSWORD},
        headers={"authorization": f"Bearer {here['access_token']}"},
    )
    assert change.status_code == 200, change.text
    eventually(lambda: me(tenant, there["access_token"]).status_code == 401, timeout_s=5)
    old = {"login": login, "tenant": tenant.slug, "password": PASSWORD}
    problem(sign_in(tenant, **old), 401)
    assert sign_in(tenant, **(old | {"password": NEW_PASSWORD})).status_code == 200


def test_disabled_user_is_out_within_seconds(tenant: Tenant) -> None:
    (role,) = tenant.list("roles", filter='name = "Read-only"')
    user = tenant.create("users", name="Erika Muster", password=PASSWORD, role_ids=[role["id"]])
    who = {"login": str(user["login"]), "tenant": tenant.slug, "password": PASSWORD}
    token = as_dict(sign_in(tenant, **who))["access_token"]
    assert me(tenant, token).status_code == 200
    disabled = tenant.patch(f"users/{user['id']}", {"state": "DISABLED"})
    assert disabled.status_code == 200, disabled.text
    eventually(lambda: me(tenant, token).status_code == 401, timeout_s=5)
    problem(sign_in(tenant, **who), 401)


def test_roles_decide_what_a_user_may(tenant: Tenant) -> None:
    roles = {str(one["name"]): str(one["id"]) for one in tenant.list("roles")}
    user = tenant.create(
        "users", name="Sam Seller", password=PASSWORD, role_ids=[roles["Salesperson"]]
    )
    who = {"login": str(user["login"]), "tenant": tenant.slug, "password": PASSWORD}
    token = as_dict(sign_in(tenant, **who))["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    foreign = tenant.create("customers", name="Somebody else's")
    with httpx.Client(base_url=tenant.url, headers=headers) as http:
        own = http.post("/v1/customers", json={"name": "Mine"})
        assert own.status_code == 200, own.text
        listed = as_dict(http.get("/v1/customers"))["customers"]
        assert isinstance(listed, list)
        assert [one["name"] for one in listed] == ["Mine"]
        problem(http.get(f"/v1/customers/{foreign['id']}"), 404)
        problem(http.patch(f"/v1/customers/{foreign['id']}", json={"name": "x"}), 404)
        problem(http.post("/v1/roles", json={"name": "Mine"}), 403)
