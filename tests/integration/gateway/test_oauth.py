"""The OAuth routes: forms, credentials and errors as RFC 6749 has them; sessions seen."""

from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote

import httpx
import pytest

from chassis.errors import Unavailable
from crm.customer.v1.customer_pb2 import Customer
from crm.identity.v1 import client_token_pb2 as pb
from crm.identity.v1 import presence_pb2
from crm.type.v1.requests_pb2 import GetRequest
from services.gateway.app import Gateway
from services.gateway.oauth import CLIENT_TOKENS, FORM
from services.identity.domain.client import ClientInvalid, ScopeInvalid
from tests.integration.gateway.upstream import Upstream

CREATE = f"{CLIENT_TOKENS}/CreateClientToken"
REVOKE = f"{CLIENT_TOKENS}/RevokeClientToken"
GRANT = {"grant_type": "client_credentials"}
POSTED = {"client_id": "c1", "client_secret": "s e:cret"}
TOKEN = pb.ClientToken(
    access_token="crm_ct_1", token_type="Bearer", expires_in=3600, scope="customers:read"
)


def basic() -> dict[str, str]:
    pair = f"{quote(POSTED['client_id'])}:{quote(POSTED['client_secret'])}"
    return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}


@pytest.fixture
async def outside(http: httpx.AsyncClient, upstream: Upstream) -> httpx.AsyncClient:
    """A client without a token."""
    del http.headers["authorization"]
    upstream.answer(CREATE, pb.CreateClientTokenRequest, TOKEN)
    return http


def refused(answer: httpx.Response, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get("www-authenticate", "").startswith("Basic") == (status == 401)


async def test_both_ways_to_authenticate(outside: httpx.AsyncClient, upstream: Upstream) -> None:
    form = {**GRANT, "scope": "customers:read", "unknown": "ignored"}
    for answer in (
        await outside.post("/oauth/token", data=form, headers=basic()),
        await outside.post("/oauth/token", data={**form, **POSTED}),
    ):
        assert answer.json() == {
            "access_token": "crm_ct_1",
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": "customers:read",
        }
        assert answer.headers["cache-control"] == "no-store"
    requests = [seen.request for seen in upstream.seen(CREATE)]
    wanted = pb.CreateClientTokenRequest(
        credentials=pb.ClientCredentials(client_id="c1", client_secret="s e:cret"),
        scope="customers:read",
    )
    assert requests == [wanted, wanted]


async def test_refusals_have_their_names(outside: httpx.AsyncClient, upstream: Upstream) -> None:
    async def post(*headers: Mapping[str, str], **form: str) -> httpx.Response:
        sent = headers[0] if headers else None
        return await outside.post("/oauth/token", data=form, headers=sent)

    refused(await post(basic()), "invalid_request")
    refused(await post(basic(), grant_type="password"), "unsupported_grant_type")
    refused(await post(**GRANT), "invalid_client", 401)
    refused(await post(**GRANT, client_id="c1"), "invalid_client", 401)
    refused(await post(basic(), **GRANT, **POSTED), "invalid_request")
    refused(await post(basic(), **GRANT, client_id="c2"), "invalid_request")
    for header in ("Basic !!", "Basic YQ==", "Bearer x"):
        refused(await post({"authorization": header}, **GRANT), "invalid_client", 401)
    upstream.answer(CREATE, pb.CreateClientTokenRequest, ClientInvalid())
    refused(await post(basic(), **GRANT), "invalid_client", 401)
    upstream.answer(CREATE, pb.CreateClientTokenRequest, ScopeInvalid("x:y"))
    refused(await post(basic(), **GRANT, scope="x:y"), "invalid_scope")


async def test_odd_bodies_are_invalid_requests(outside: httpx.AsyncClient) -> None:
    path, form = "/oauth/token", {"content-type": FORM, **basic()}
    twice = "grant_type=client_credentials&grant_type=client_credentials"
    refused(await outside.post(path, content=twice, headers=form), "invalid_request")
    refused(await outside.post(path, content=b"\xff", headers=form), "invalid_request")
    refused(await outside.post(path, json=GRANT, headers=basic()), "invalid_request")
    assert (await outside.get(path)).status_code == 405


async def test_identity_away_is_a_problem_like_any(
    outside: httpx.AsyncClient, upstream: Upstream
) -> None:
    upstream.answer(CREATE, pb.CreateClientTokenRequest, Unavailable("DATABASE_AWAY", "Away."))
    answer = await outside.post("/oauth/token", data=GRANT, headers=basic())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_revocation(outside: httpx.AsyncClient, upstream: Upstream) -> None:
    upstream.answer(REVOKE, pb.RevokeClientTokenRequest, pb.RevokeClientTokenResponse())
    form = {"token": "crm_ct_1", "token_type_hint": "access_token"}
    answer = await outside.post("/oauth/revoke", data=form, headers=basic())
    assert (answer.status_code, answer.json()) == (200, {})
    refused(await outside.post("/oauth/revoke", headers=basic(), data=GRANT), "invalid_request")
    refused(await outside.post("/oauth/revoke", data=form), "invalid_client", 401)
    assert len(upstream.seen(REVOKE)) == 1


async def test_metadata(outside: httpx.AsyncClient) -> None:
    answer = await outside.get("/.well-known/oauth-authorization-server")
    found = answer.json()
    assert found["issuer"] == "https://crm.example"
    assert found["token_endpoint"] == "https://crm.example/oauth/token"
    assert found["grant_types_supported"] == ["client_credentials"]
    assert "customers:read" in found["scopes_supported"]


async def test_sessions_seen_are_told_once(
    http: httpx.AsyncClient, upstream: Upstream, gateway: tuple[Gateway, str]
) -> None:
    path = "/crm.customer.v1.CustomerService/GetCustomer"
    upstream.answer(path, GetRequest, Customer(id="c1"))
    touch = "/crm.identity.v1.PresenceService/TouchSessions"
    answer = presence_pb2.TouchSessionsResponse()
    upstream.answer(touch, presence_pb2.TouchSessionsRequest, answer)
    presence = gateway[0]._presence
    await presence.tell()
    before = len(upstream.seen(touch))
    for _ in range(3):
        assert (await http.get("/v1/customers/c1")).status_code == 200
    await presence.tell()
    await presence.tell()
    (seen,) = upstream.seen(touch)[before:]
    (tenant,) = getattr(seen.request, "seen")  # noqa: B009  # the stand-in knows messages in general
    assert (tenant.tenant_id, list(tenant.session_ids)) == ("t1", ["session-good"])
