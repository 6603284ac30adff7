"""Accounts through the gateway: one-time passwords, sessions, second factors, links, delays."""

import asyncio
import time
from base64 import b32decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx

from deploy.local.platform import Platform
from services.identity.domain.attempt import FREE_FAILURES
from services.identity.methods.totp import STEP_S, _totp
from tests.integration.security.mailbox import mails_to
from tests.live import PASSWORD, Tenant, as_dict, eventually

NEW_PASSWORD = "another correct horse battery"
CHINESE = {"accept-language": "zh"}


@contextmanager
def signed_in(tenant: Tenant, login: str, **fields: str) -> Iterator[httpx.Client]:
    """A client with a session of this user."""
    body = {"login": login, "tenant": tenant.slug, "password": PASSWORD, **fields}
    response = httpx.post(f"{tenant.url}/v1/sessions", json=body)
    assert response.status_code == 200, response.text
    headers = {"authorization": f"Bearer {as_dict(response)['access_token']}"}
    with httpx.Client(base_url=tenant.url, headers=headers, timeout=30) as http:
        yield http


def refused(response: httpx.Response, status: int, reason: str) -> str:
    """The text of a problem with this status and reason."""
    body = as_dict(response)
    assert (response.status_code, body["reason"]) == (status, reason), response.text
    return str(body["detail"])


def code_of(secret: object, steps: int = 0) -> str:
    moment = int(time.time()) + steps * STEP_S
    return _totp(b32decode(str(secret))).generate(moment).decode()


def test_a_new_user_begins_with_a_one_time_password(tenant: Tenant) -> None:
    user = tenant.create("users", name="张胜华", role_ids=tenant_roles(tenant, "Read-only"))
    assert user["login"] == "zhangsh"
    assert user["password_update_time"] is None
    made = as_dict(tenant.post(f"users/{user['id']}:resetPassword", {}))
    password = str(made["password"])
    with signed_in(tenant, "zhangsh", password=password) as http:
        assert as_dict(http.get("/v1/users/me"))["password_change_required"] is True
        for path in ("customers", "tenant", "events", "operations", "sessions"):
            refused(http.get(f"/v1/{path}"), 403, "PASSWORD_CHANGE_REQUIRED")
        text = refused(http.get("/v1/customers", headers=CHINESE), 403, "PASSWORD_CHANGE_REQUIRED")
        assert text == "请先修改一次性密码。"
        weak = {"old_password": password, "new_password": "password1234"}
        answer = http.post("/v1/users/me:changePassword", json=weak, headers=CHINESE)
        assert "过于常见" in answer.text
        change = {"old_password": password, "new_password": NEW_PASSWORD}
        assert http.post("/v1/users/me:changePassword", json=change).status_code == 200
    with signed_in(tenant, "zhangsh", password=NEW_PASSWORD) as http:
        assert http.get("/v1/customers").status_code == 200


def tenant_roles(tenant: Tenant, name: str) -> list[str]:
    return [str(one["id"]) for one in tenant.list("roles", filter=f'name = "{name}"')]


def test_logins_follow_the_naming_rule(tenant: Tenant) -> None:
    logins = [tenant.create("users", name=name)["login"] for name in ("张三", "张三", "李四光")]
    assert logins == ["zhangsan", "zhangsan1", "lisg"]
    rows = [{"name": "赵六"}, {"name": "赵六"}, {"name": "王", "login": "Sun"}, {"name": "Sun"}]
    made = tenant.post("users:batchCreate", {"requests": [{"user": row} for row in rows]})
    users = as_dict(made)["users"]
    assert isinstance(users, list)
    assert [one["login"] for one in users] == ["zhaoliu", "zhaoliu1", "Sun", "sun1"]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda _: tenant.create("users", name="周七")["login"], range(8))
        assert set(found) == {"zhouqi", *(f"zhouqi{at}" for at in range(1, 8))}


def test_sessions_are_listed_and_ended(tenant: Tenant) -> None:
    user = tenant.create("users", name="Many Devices", password=PASSWORD)
    login = str(user["login"])
    with signed_in(tenant, login) as here, signed_in(tenant, login) as there:
        page = as_dict(here.get("/v1/sessions"))
        assert isinstance(page["sessions"], list)
        assert [one["current"] for one in page["sessions"]] == [False, True]
        other = page["sessions"][0]
        assert other["address"] == "127.0.0.1"
        assert other["user_agent"].startswith("python-httpx/")
        assert there.get("/v1/users/me").status_code == 200
        assert here.delete(f"/v1/sessions/{other['id']}").status_code == 200
        began = time.monotonic()
        eventually(lambda: there.get("/v1/users/me").status_code == 401, timeout_s=5)
        assert time.monotonic() - began < 5
        listed = as_dict(tenant.get("sessions", user_id=str(user["id"])))
        assert isinstance(listed["sessions"], list)
        assert len(listed["sessions"]) == 1
        own = as_dict(tenant.get("sessions"))["sessions"]
        assert isinstance(own, list)
        refused(here.delete(f"/v1/sessions/{own[0]['id']}"), 403, "PERMISSION_DENIED")
        refused(
            here.get("/v1/sessions", params={"user_id": str(own[0]["user_id"])}),
            403,
            "PERMISSION_DENIED",
        )
        assert tenant.delete(f"sessions/{listed['sessions'][0]['id']}").status_code == 200
        eventually(lambda: here.get("/v1/users/me").status_code == 401, timeout_s=5)


def test_a_second_factor_that_the_company_asks_for(other_tenant: Tenant) -> None:
    tenant = other_tenant
    changed = tenant.patch("tenant", {"second_factor_required": True})
    assert changed.status_code == 200, changed.text
    restricted = "SECOND_FACTOR_ENROLMENT_REQUIRED"
    eventually(lambda: tenant.get("users").status_code == 403, timeout_s=5)
    refused(tenant.get("users"), 403, restricted)
    made = as_dict(tenant.post("users/me/secondFactor:enrol", {"password": PASSWORD}))
    body = {"code": code_of(made["secret"])}
    done = as_dict(tenant.post("users/me/secondFactor:confirm", body))
    assert isinstance(done["recovery_codes"], list)
    assert len(done["recovery_codes"]) == 10
    assert tenant.get("users").status_code == 200, "at once"
    who = {"email": tenant.email, "password": PASSWORD}
    answer = httpx.post(f"{tenant.url}/v1/sessions", json=who)
    refused(answer, 401, "SECOND_FACTOR_REQUIRED")
    who["code"] = code_of(made["secret"], 1)
    assert httpx.post(f"{tenant.url}/v1/sessions", json=who).status_code == 200


def test_a_forgotten_password_is_set_by_a_link(whole_platform: Platform, tenant: Tenant) -> None:
    address = f"forgetful@{tenant.slug}.example.com"
    tenant.create("users", name="Forgetful", login="forgetful", email=address, password=PASSWORD)
    answers = [
        httpx.post(f"{tenant.url}/v1/passwordResets", json={"email": one})
        for one in (address, f"nobody@{tenant.slug}.example.com")
    ]
    assert [(one.status_code, one.text) for one in answers] == [(200, "{}")] * 2
    (mail,) = asyncio.run(mails_to(whole_platform.run_dir / "mail", address))
    confirm = f"{tenant.url}/v1/passwordResets:confirm"
    body = {"token": mail.token, "new_password": NEW_PASSWORD}
    assert httpx.post(confirm, json=body).status_code == 200
    refused(httpx.post(confirm, json=body), 400, "INVALID_FIELDS")
    with signed_in(tenant, "forgetful", password=NEW_PASSWORD) as http:
        assert http.get("/v1/users/me").status_code == 200


def test_failures_make_the_next_sign_in_wait(tenant: Tenant) -> None:
    body = {"login": "nobody", "tenant": tenant.slug, "password": "wrong"}
    for _ in range(FREE_FAILURES):
        answer = httpx.post(f"{tenant.url}/v1/sessions", json=body)
        refused(answer, 401, "CREDENTIALS_INVALID")
    answer = httpx.post(f"{tenant.url}/v1/sessions", json=body)
    text = refused(answer, 429, "ATTEMPTS_EXHAUSTED")
    assert answer.headers["retry-after"] == "1"
    assert "1 seconds" in text


def test_nobody_claims_to_come_from_elsewhere(tenant: Tenant) -> None:
    body = {"email": tenant.email, "password": PASSWORD, "client": {"address": "10.0.0.1"}}
    answer = httpx.post(f"{tenant.url}/v1/sessions", json=body)
    refused(answer, 400, "INVALID_FIELDS")


def test_settings_of_the_tenant(tenant: Tenant) -> None:
    before = tenant.get("tenant")
    assert before.headers["etag"] == as_dict(before)["etag"] == '"1"'
    change = {"address": "Musterstraße 1", "contact_name": "Erika", "retention_days": 60}
    after = tenant.patch("tenant", change, if_match='"1"')
    assert after.status_code == 200, after.text
    assert {name: as_dict(after)[name] for name in change} == change
    stale = tenant.patch("tenant", change, if_match='"1"')
    refused(stale, 412, "ETAG_MISMATCH")
