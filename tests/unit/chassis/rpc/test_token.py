"""Internal tokens are taken only as identity makes them, whatever else somebody sends."""

import json
import time
from typing import Final
from uuid import uuid4

import pytest
from joserfc.jwk import OKPKey

from chassis.call import Principal
from chassis.errors import Unauthenticated
from chassis.rpc.token import LIFETIME_S, TokenVerifier, sign
from tests.integration.security.forge import Forge

PRIVATE: Final = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
TENANT, USER = str(uuid4()), str(uuid4())


def forge() -> Forge:
    """Forgeries of the token of a user."""
    now = int(time.time())
    claims = {
        "iss": "crm-identity", "aud": "crm-internal", "sub": USER, "iat": now,
        "exp": now + LIFETIME_S, "kind": "user", "tenant": TENANT, "roles": [], "access": 0,
    }  # fmt: skip
    jwk = {name: str(value) for name, value in PRIVATE.as_dict(private=True).items()}
    return Forge(jwk, claims)


async def keys() -> str:
    """The key set as identity publishes it."""
    return json.dumps({"keys": [PRIVATE.as_dict(private=False)]})


async def test_forged_tokens_are_refused() -> None:
    forged = forge()
    verifier = TokenVerifier(keys)
    assert (await verifier.verify(forged.with_claims())).id == USER
    taken = []
    for name, token in (forged.variants() | forged.unsendable()).items():
        try:
            await verifier.verify(token)
        except Unauthenticated:
            continue
        taken.append(name)
    assert set(taken) == forged.strangers, "well made, for nobody whom a service would admit"
    assert len(forged.variants()) > 150


async def test_what_identity_signs_is_read_back() -> None:
    who = Principal(
        "client", USER, TENANT, "session", ("role",), "company", 7, ("*:read",), "RESTRICTED"
    )
    verifier = TokenVerifier(keys)
    assert await verifier.verify(sign(PRIVATE, who, time.time())) == who


async def test_a_token_is_refused_once_it_has_expired_though_it_was_known() -> None:
    verifier, now = TokenVerifier(keys), time.time()
    token = sign(PRIVATE, Principal("user", USER, TENANT), now - LIFETIME_S - 3)
    assert (await verifier.verify(token)).id == USER
    verifier._cache = type(verifier._cache)(
        (digest, (who, end - 3)) for digest, (who, end) in verifier._cache.items()
    )
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)
