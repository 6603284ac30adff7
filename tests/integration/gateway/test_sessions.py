"""Sign-in, tokens and their end."""

import asyncio
import json
import time

import httpx
import pytest
from google.protobuf.message import Message
from nats.aio.client import Client

from chassis.errors import PermissionDenied, Unauthenticated, Unavailable
from crm.customer.v1.customer_pb2 import Customer
from crm.identity.v1 import session_pb2
from crm.type.v1.requests_pb2 import GetRequest
from services.gateway.app import Gateway
from tests.integration.gateway.upstream import SESSIONS, Context, Upstream, later

GET = "/crm.customer.v1.CustomerService/GetCustomer"
EXCHANGE = f"{SESSIONS}/ExchangeToken"
SESSION = session_pb2.Session(
    id="s1", access_token="a", refresh_token="r", token_type="Bearer", expires_in=3600, user_id="u1"
)


async def status(http: httpx.AsyncClient, **headers: str) -> int:
    return (await http.get("/v1/customers/c1", headers=headers)).status_code


async def test_sign_in_needs_no_token(http: httpx.AsyncClient, upstream: Upstream) -> None:
    upstream.answer(f"{SESSIONS}/CreateSession", session_pb2.CreateSessionRequest, SESSION)
    del http.headers["authorization"]
    answer = await http.post("/v1/sessions", json={"login": "ada", "password": "p"})
    assert answer.status_code == 200
    assert answer.json()["access_token"] == "a"
    assert answer.json()["expires_in"] == 3600
    assert answer.headers["cache-control"] == "no-store"
    (seen,) = upstream.seen(f"{SESSIONS}/CreateSession")
    assert seen.metadata["authorization"] == "Bearer service"
    assert isinstance(seen.request, session_pb2.CreateSessionRequest)
    assert seen.request.client.address == "127.0.0.1"
    assert seen.request.client.user_agent.startswith("python-httpx/")


async def test_wrong_password_is_401(http: httpx.AsyncClient, upstream: Upstream) -> None:
    wrong = Unauthenticated("CREDENTIALS_INVALID", "Name or password is wrong.")
    upstream.answer(f"{SESSIONS}/CreateSession", session_pb2.CreateSessionRequest, wrong)
    body = {"login": "ada", "password": "p"}
    answer = await http.post("/v1/sessions", json=body, headers={"accept-language": "zh"})
    assert (answer.status_code, answer.json()["reason"]) == (401, "CREDENTIALS_INVALID")
    assert answer.json()["detail"] == "名称或密码错误。"
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_refresh_password_change_and_sign_out(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    upstream.answer(f"{SESSIONS}/RefreshSession", session_pb2.RefreshSessionRequest, SESSION)
    assert (await http.post("/v1/sessions:refresh", json={"refresh_token": "r"})).status_code == 200
    changed = session_pb2.ChangePasswordResponse()
    upstream.answer(f"{SESSIONS}/ChangePassword", session_pb2.ChangePasswordRequest, changed)
    passwords = {"old_password": "a", "new_password": "b" * 12}
    answer = await http.post("/v1/users/me:changePassword", json=passwords)
    assert (answer.status_code, answer.json()) == (200, {})
    deleted = session_pb2.DeleteSessionResponse()
    upstream.answer(f"{SESSIONS}/DeleteSession", session_pb2.DeleteSessionRequest, deleted)
    assert (await http.delete("/v1/sessions/current")).status_code == 200
    upstream.people.clear()
    assert await status(http) == 401


@pytest.mark.parametrize(
    "authorization",
    ["", "good", "Basic good", "Bearer", "Bearer a.b.c", "Bearer ey.x.", "Bearer ä", "Bearer bad"],
)
async def test_bad_tokens_are_401(http: httpx.AsyncClient, authorization: str) -> None:
    http.headers.pop("authorization")
    headers = [(b"authorization", authorization.encode())] if authorization else []
    answer = await http.get("/v1/customers/c1", headers=headers)
    assert answer.status_code in {400, 401}
    assert answer.json()["reason"] in {"TOKEN_MISSING", "TOKEN_INVALID", "INVALID_HEADER"}


async def test_internal_tokens_from_outside_are_refused_unasked(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    inside = upstream.people["good"].token
    assert await status(http, authorization=f"Bearer {inside}") == 401
    assert not upstream.seen(EXCHANGE)


async def test_a_token_is_asked_for_once(http: httpx.AsyncClient, upstream: Upstream) -> None:
    upstream.answer(GET, GetRequest, Customer(id="c1"))
    upstream.admit("once", "t2")
    token = {"authorization": "Bearer once"}
    answers = await asyncio.gather(*(status(http, **token) for _ in range(8)))
    assert answers == [200] * 8
    assert len(upstream.seen(EXCHANGE)) == 1
    assert len(upstream.seen(GET)) == 8


async def test_a_token_about_to_expire_is_asked_for_again(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    upstream.answer(GET, GetRequest, Customer(id="c1"))
    upstream.admit("brief", "t2")
    upstream.people["brief"].expire_time.CopyFrom(later(5))
    for _ in range(2):
        assert await status(http, authorization="Bearer brief") == 200
    assert len(upstream.seen(EXCHANGE)) == 2


@pytest.mark.parametrize(
    ("subject", "data"),
    [
        ("crm.t3.identity.01.session.revoked", {"id": "session-held"}),
        ("crm.t3.identity.01.user.updated", {"id": "u9"}),
        ("crm.t3.identity.01.role.deleted", {"id": "r9"}),
        ("crm.t3.identity.01.session.revoked", []),
    ],
)
async def test_revocation_is_effective_within_five_seconds(
    http: httpx.AsyncClient, upstream: Upstream, broker: Client, subject: str, data: object
) -> None:
    upstream.answer(GET, GetRequest, Customer(id="c1"))
    upstream.admit("held", "t3")
    headers = {"authorization": "Bearer held"}
    assert await status(http, **headers) == 200
    upstream.people.clear()
    began = time.monotonic()
    await broker.jetstream().publish(subject, json.dumps(data).encode())
    while await status(http, **headers) != 401:
        assert time.monotonic() - began < 5
        await asyncio.sleep(0.02)


async def test_others_stay_signed_in(
    http: httpx.AsyncClient, upstream: Upstream, broker: Client
) -> None:
    upstream.answer(GET, GetRequest, Customer(id="c1"))
    upstream.admit("stays", "t4")
    assert await status(http, authorization="Bearer stays") == 200
    for subject in ("crm.t5.identity.01.user.updated", "crm.t4.identity.01.session.created"):
        await broker.jetstream().publish(subject, b'{"id": "x"}')
    await asyncio.sleep(0.3)
    assert await status(http, authorization="Bearer stays") == 200
    assert len(upstream.seen(EXCHANGE)) == 1


async def test_silent_feed_means_ask(
    http: httpx.AsyncClient,
    upstream: Upstream,
    gateway: tuple[Gateway, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upstream.answer(GET, GetRequest, Customer(id="c1"))
    upstream.admit("quiet", "t6")
    assert await status(http, authorization="Bearer quiet") == 200
    tokens = gateway[0]._tokens
    monkeypatch.setattr(tokens, "_silent_for_s", lambda: 6.0)
    assert await status(http, authorization="Bearer quiet") == 200
    assert len(upstream.seen(EXCHANGE)) == 1  # younger than five seconds
    for entry in tokens._entries.values():
        entry.asked_at -= 6
    assert await status(http, authorization="Bearer quiet") == 200
    assert len(upstream.seen(EXCHANGE)) == 2


async def test_identity_away_is_503(http: httpx.AsyncClient, upstream: Upstream) -> None:
    away = Unavailable("DATABASE_AWAY", "Wait.")
    upstream.answer(EXCHANGE, session_pb2.ExchangeTokenRequest, away)
    answer = await http.get("/v1/customers/c1", headers={"authorization": "Bearer unknown"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_refused_service_token_is_renewed(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    upstream.answer(GET, GetRequest, Customer(id="c1"))
    refused = PermissionDenied("METHOD_NOT_OPEN", "No.")
    asked: list[str] = []

    async def first_refused(request: Message, context: Context) -> Message:
        asked.append("x")
        upstream.answers[EXCHANGE] = upstream._exchange
        return await refusal(request, context)

    upstream.answer(EXCHANGE, session_pb2.ExchangeTokenRequest, refused)
    refusal = upstream.answers[EXCHANGE]
    upstream.answers[EXCHANGE] = first_refused
    upstream.types[EXCHANGE] = (session_pb2.ExchangeTokenRequest, session_pb2.InternalToken)
    upstream.admit("later", "t7")
    assert await status(http, authorization="Bearer later") == 503
    assert await status(http, authorization="Bearer later") == 200
    assert len(upstream.seen(f"{SESSIONS}/IssueServiceToken")) == 1
