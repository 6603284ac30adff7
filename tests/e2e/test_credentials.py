"""Credentials that are genuine, but no good at the gateway: expired, or of the inside."""

import asyncio
import json
import secrets
import time
from collections.abc import Iterator
from hashlib import sha256
from uuid import uuid4

import asyncpg
import httpx

from chassis.rpc.client import SESSIONS, Clients
from crm.identity.v1 import session_pb2 as pb
from deploy.local.platform import Platform
from tests.integration.security.forge import Forge
from tests.live import PASSWORD, Tenant, as_dict

EXPIRE = """
    UPDATE base.session SET access_expire_time = now() - interval '1 second' WHERE access_hash = $1
"""
REFUSED = {(401, "TOKEN_INVALID"), (401, "TOKEN_MISSING"), (400, "INVALID_HEADER")}


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


def forged(platform: Platform, tenant: Tenant) -> Iterator[tuple[str, str]]:
    """Access tokens that nobody was given, by what is wrong with them."""
    keys: list[dict[str, str]] = json.loads(
        platform.service_environment("identity")["SIGNING_KEYS"]
    )
    now, good = int(time.time()), new_token(tenant)
    claims = {
        "iss": "crm-identity", "aud": "crm-internal", "sub": str(tenant.session["user_id"]),
        "iat": now, "exp": now + 300, "kind": "user", "tenant": tenant.id, "roles": [], "access": 0,
    }  # fmt: skip
    yield from Forge(keys[0], claims).variants().items()
    yield "signed as it should be", Forge(keys[0], claims).with_claims()
    prefix, secret = good[:7], good[7:]
    yield from {
        "another secret": prefix + secrets.token_urlsafe(32),
        "one character changed": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "one character less": good[:-1],
        "one character more": good + "A",
        "other letters": prefix + secret.swapcase(),
        "without its prefix": secret,
        "the prefix of a refresh token": "crm_rt_" + secret,
        "the prefix of a client's": "crm_ct_" + secret,
        "a refresh token": str(tenant.session["refresh_token"]),
        "its hash": sha256(good.encode()).hexdigest(),
        "its hash with the prefix": prefix + sha256(good.encode()).hexdigest(),
        "an id": str(uuid4()),
        "the session's id": str(tenant.session["id"]),
        "the user's id": str(tenant.session["user_id"]),
        "the tenant's id": tenant.id,
        "a pattern": prefix + "%",
        "one of many": f"{prefix}{'_' * len(secret)}",
        "SQL": prefix + "'or'1'='1",
        "in quotes": f'"{good}"',
        "with a comma": f"{good},{good}",
        "with a space": f"{good} {good}",
        "a list": f'["{good}"]',
        "base64 padding": good + "==",
        "percent-encoded": "".join(f"%{ord(one):02x}" for one in good),
        "backwards": good[::-1],
        "null": "null",
        "true": "true",
        "undefined": "undefined",
        "a star": "*",
        "long": "a" * 199,
        "longer": "a" * 8000,
    }.items()


def test_forged_tokens_are_refused_by_the_gateway(
    whole_platform: Platform, tenant: Tenant, figures: list[str]
) -> None:
    count, before = 0, tenant.count("customers")
    with httpx.Client(base_url=tenant.url) as http:
        for name, token in forged(whole_platform, tenant):
            # HTTP knows no blanks at the end of a header.
            headers = {"authorization": f"Bearer {token}".strip()}
            for method, path in (("GET", "users/me"), ("POST", "customers")):
                answer = http.request(method, f"/v1/{path}", headers=headers, json={"name": "x"})
                said = as_dict(answer)
                assert (answer.status_code, said["reason"]) in REFUSED, f"{name}: {said}"
                assert "Traceback" not in answer.text, name
            count += 1
        whole = {"authorization": f"Bearer {new_token(tenant)}"}
        assert http.get("/v1/users/me", headers=whole).status_code == 200
    assert tenant.count("customers") == before
    figures.append(f"gateway: {count} forged tokens, none accepted")
    assert count >= 60
