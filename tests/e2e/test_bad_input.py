"""Bad requests get a clear 4xx and change nothing; nothing of it is ever a 5xx."""

import base64
import json
from collections.abc import Iterator

import httpx
import pytest

from tests.live import PASSWORD, Tenant, as_dict

JSON = {"content-type": "application/json"}
NOBODY = "0190c0f0-0000-7000-8000-000000000000"


@pytest.fixture(autouse=True)
def nothing_changes(tenant: Tenant) -> Iterator[None]:
    """No customer more or less than before."""
    before = tenant.count("customers")
    yield
    assert tenant.count("customers") == before


def refused(response: httpx.Response, *statuses: int) -> dict[str, object]:
    """The problem of a refusal, which tells what is wrong and nothing of the inside."""
    assert response.status_code in statuses, f"{response.status_code} {response.text[:500]}"
    assert response.headers["content-type"] == "application/problem+json"
    text = response.text
    assert not [word for word in ("Traceback", "SELECT ", "asyncpg", "127.0.0.1") if word in text]
    body = as_dict(response)
    assert body["status"] == response.status_code
    assert body["reason"] == str(body["reason"]).upper()
    assert body["detail"]
    return body


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"name"',
        b"\xff\xfe{}",
        b'{"name": "\xc3\x28"}',
        b'{"name": "a", "name": "b"}',
        b'{"name": "a", "\\u006eame": "b"}',
        b'{"name": NaN}',
        b'{"name": "x", "employee_count": 1e999}',
        b'{"name": "x"} {}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\\u0000b"}',
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
    ids=lambda text: text[:20].decode("latin-1"),
)
def test_malformed_json(tenant: Tenant, text: bytes) -> None:
    refused(tenant.http.post("/v1/customers", content=text, headers=JSON), 400)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": 5}, "name"),
        ({"name": None}, "name"),
        ({"name": "x", "nickname": "y"}, "nickname"),
        ({"name": "x", "employee_count": "many"}, "employee_count"),
        ({"name": "x", "employee_count": 1.5}, "employee_count"),
        ({"name": "x", "employee_count": -1}, "employee_count"),
        ({"name": "x", "employee_count": 2**40}, "employee_count"),
        ({"name": "x", "kind": "ROBOT"}, "kind"),
        ({"name": "x", "id": NOBODY}, "id"),
        ({"name": "x", "create_time": "2026-01-01T00:00:00Z"}, "create_time"),
        ({"name": "x", "parent_id": "not-an-id"}, "parent_id"),
        ({"name": "x", "parent_id": NOBODY}, "parent_id"),
        ({"name": "x", "owner_id": NOBODY}, "owner_id"),
        (
            {"name": "x", "annual_revenue": {"currency_code": "usd", "amount": "1"}},
            "annual_revenue",
        ),
        (
            {"name": "x", "annual_revenue": {"currency_code": "USD", "amount": "1,5"}},
            "annual_revenue",
        ),
        ({"name": "x", "annual_revenue": "5 USD"}, "annual_revenue"),
        ({"name": "x", "annual_revenue": {"cents": 5}}, "annual_revenue"),
    ],
    ids=str,
)
def test_wrong_fields_are_named(tenant: Tenant, body: object, field: str) -> None:
    errors = refused(tenant.post("customers", body), 400)["errors"]
    assert isinstance(errors, list)
    assert any(str(error["field"]).startswith(field) for error in errors), errors


@pytest.mark.parametrize(
    "query",
    [
        "filter=name%3D",
        "filter=nickname%3D%22x%22",
        "filter=employee_count%3D%22many%22",
        "filter=" + "(" * 30 + "name%3D%22x%22" + ")" * 30,
        "filter=" + "x" * 5000,
        "filter=%00",
        "order_by=nickname",
        "order_by=name%20sideways",
        "page_size=-1",
        "page_size=1001",
        "page_size=many",
        "page_token=abc",
        "fields=nickname",
        "nickname=x",
        "filter=name%3D%22a%22&filter=name%3D%22b%22",
        "count=perhaps",
        "show_deleted=perhaps",
    ],
    ids=lambda text: text[:40],
)
def test_wrong_queries(tenant: Tenant, query: str) -> None:
    refused(tenant.http.get(f"/v1/customers?{query}"), 400)


@pytest.mark.parametrize("path", ["customers/abc", "customers/" + "9" * 300, "customers/a%00b"])
def test_wrong_ids(tenant: Tenant, path: str) -> None:
    refused(tenant.http.get(f"/v1/{path}"), 400, 404)


def test_unknown_records(tenant: Tenant) -> None:
    for response in (
        tenant.get(f"customers/{NOBODY}"),
        tenant.patch(f"customers/{NOBODY}", {"name": "x"}),
        tenant.delete(f"customers/{NOBODY}"),
        tenant.post(f"customers/{NOBODY}:undelete", {}),
        tenant.post(f"opportunities/{NOBODY}:win", {}),
        tenant.get(f"operations/sales-{NOBODY}"),
        tenant.get("operations/nowhere-1"),
    ):
        refused(response, 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1", 404),
        ("GET", "/v2/customers", 404),
        ("GET", "/v1/customers/a/b/c", 404),
        ("POST", f"/v1/customers/{NOBODY}:explode", 404),
        ("PUT", f"/v1/customers/{NOBODY}", 405),
        ("DELETE", "/v1/customers", 405),
        ("POST", "/v1/reports/pipelineSummary", 405),
    ],
)
def test_unknown_routes(tenant: Tenant, method: str, path: str, status: int) -> None:
    refused(tenant.http.request(method, path), status)


def test_huge_bodies(tenant: Tenant) -> None:
    text = b'{"name": "' + b"x" * (5 * 1024 * 1024) + b'"}'
    refused(tenant.http.post("/v1/customers", content=text, headers=JSON), 413)

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 65536

    with httpx.Client(base_url=tenant.url, headers=tenant.http.headers) as http:
        refused(http.post("/v1/customers", content=pieces(), headers=JSON), 413)


def test_large_records(tenant: Tenant) -> None:
    body = {"name": "x", "description": "y" * 100_000}
    refused(tenant.post("customers", body), 400)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", ""])
def test_other_media_types(tenant: Tenant, kind: str) -> None:
    headers = {"content-type": kind}
    response = tenant.http.post("/v1/customers", content=b'{"name": "x"}', headers=headers)
    refused(response, 415, 400)


def test_compressed_bodies(tenant: Tenant) -> None:
    headers = JSON | {"content-encoding": "gzip"}
    refused(tenant.http.post("/v1/customers", content=b"\x1f\x8b", headers=headers), 415, 400)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


FORGED = {"iss": "crm-identity", "aud": "crm-internal", "sub": NOBODY, "iat": 1, "exp": 2**33}


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer nonsense",
        "Bearer crm_at_" + "A" * 43,
        "Bearer " + "A" * 10_000,
        "Basic YWRtaW46YWRtaW4=",
        f"Bearer {segment({'alg': 'none', 'typ': 'JWT'})}.{segment(FORGED)}.",
        f"Bearer {segment({'alg': 'HS256', 'kid': '1'})}.{segment(FORGED)}.AAAA",
        "Bearer a b",
    ],
    ids=lambda text: text[:30],
)
def test_credentials_that_are_none(tenant: Tenant, authorization: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    response = httpx.get(f"{tenant.url}/v1/customers", headers=headers)
    refused(response, 401 if len(authorization) < 300 else 400)
    if response.status_code == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_refresh_token_is_no_access_token(tenant: Tenant) -> None:
    headers = {"authorization": f"Bearer {tenant.session['refresh_token']}"}
    refused(httpx.get(f"{tenant.url}/v1/customers", headers=headers), 401)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a@b.c"},
        {"password": PASSWORD},
        {"email": 5, "password": PASSWORD},
        {"email": "a@b.c", "password": "x" * 1000},
        {"email": "a@b.c", "password": PASSWORD, "admin": True},
        {"email": "a\u0000b", "password": PASSWORD},
    ],
    ids=str,
)
def test_sign_in_with_less(tenant: Tenant, body: object) -> None:
    refused(httpx.post(f"{tenant.url}/v1/sessions", json=body), 400, 401)


def test_headers_that_are_wrong(tenant: Tenant) -> None:
    refused(tenant.post("customers", {"name": "x"}, idempotency_key="k" * 300), 400)
    me = as_dict(tenant.get("users/me"))
    refused(tenant.patch(f"users/{me['id']}", {"name": "x"}, if_match="nonsense"), 400, 412)
