"""Credentials that are genuine, but no good at the gateway: expired, or of the inside."""

import asyncio
from hashlib import sha256

import asyncpg
import httpx

from chassis.rpc.client import SESSIONS, Clients
from crm.identity.v1 import session_pb2 as pb
from deploy.local.platform import Platform
from tests.live import PASSWORD, Tenant, as_dict

EXPIRE = """
    UPDATE base.session SET access_expire_time = now() - interval '1 second' WHERE access_hash = $1
"""


def new_token(tenant: Tenant) -> str:
    body = {"email": tenant.email, "password": PASSWORD}
    return str(as_dict(httpx.post(f"{tenant.url}/v1/sessions", json=body))["access_token"])


def refusals(tenant: Tenant, token: str) -> set[tuple[int, object]]:
    """Status and reason of several requests with the token."""
    headers = {"authorization": f"Bearer {token}"}
    answers = [
        httpx.request(method, f"{tenant.url}/v1/{path}", headers=headers)
        for method, path in (("GET", "users/me"), ("GET", "customers"), ("POST", "customers"))
    ]
    return {(answer.status_code, as_dict(answer)["reason"]) for answer in answers}


def test_an_expired_access_token_is_refused(whole_platform: Platform, tenant: Tenant) -> None:
    token = new_token(tenant)

    async def expire() -> str:
        owner = await asyncpg.connect(whole_platform.database_url("identity", "owner"))
        done: str = await owner.execute(EXPIRE, sha256(token.encode()).hexdigest())
        await owner.close()
        return done

    assert asyncio.run(expire()) == "UPDATE 1"
    assert refusals(tenant, token) == {(401, "TOKEN_INVALID")}


def test_a_genuine_internal_token_is_refused_from_outside(
    whole_platform: Platform, tenant: Tenant
) -> None:
    access_token = new_token(tenant)

    async def exchange() -> list[str]:
        environment = whole_platform.service_environment("customer")
        targets = {"identity": environment["IDENTITY_TARGET"]}
        clients = Clients("customer", environment["SERVICE_SECRET"], targets)
        request = pb.ExchangeTokenRequest(access_token=access_token)
        answer = await clients.call("identity", f"{SESSIONS}/ExchangeToken", request)
        assert isinstance(answer, pb.InternalToken)
        tokens = [answer.token, await clients.service_token()]
        await clients.close()
        return tokens

    for token in asyncio.run(exchange()):
        assert token.count(".") == 2
        # No opaque token is as long as a signed one: it is refused before anybody is asked.
        assert refusals(tenant, token) == {(400, "INVALID_HEADER")}
