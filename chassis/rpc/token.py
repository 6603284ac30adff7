"""Internal tokens: EdDSA JWTs (RFC 8037) of at most five minutes that every service verifies
itself.
"""

import json
import re
import time
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from chassis.call import MEMBERS, Principal
from chassis.errors import Unauthenticated, Unavailable
from chassis.ids import is_id

AUDIENCE = "crm-internal"
ISSUER = "crm-identity"
TYPE = "crm-internal+jwt"
LIFETIME_S = 300
CLOCK_SKEW_S = 5
TOKEN_LENGTH_MAX = 8192
CACHE_MAX = 10_000
KEYS_FETCH_INTERVAL_S = 30.0
_KID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_HEADER_KEYS = {"alg", "kid", "typ"}

FetchKeys = Callable[[], Awaitable[str]]


def sign(key: OKPKey, principal: Principal, now: float) -> str:
    """A token for the principal, valid for LIFETIME_S from `now` (Unix seconds)."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": principal.id,
        "iat": int(now),
        "exp": int(now) + LIFETIME_S,
        "kind": principal.kind,
        "tenant": principal.tenant_id,
        "session": principal.session_id,
        "roles": list(principal.role_ids),
        "company": principal.partner_company_id,
        "access": principal.access_version,
        "scope": " ".join(principal.scopes),
        "restriction": principal.restriction,
    }
    header = {"alg": "Ed25519", "kid": key.kid or "", "typ": TYPE}
    return jwt.encode(header, claims, key, algorithms=["Ed25519"])


class TokenVerifier:
    """Checks signatures once and remembers the outcome by the token's hash; bounded, keys fetched
    when unknown.
    """

    def __init__(self, fetch_keys: FetchKeys) -> None:
        self._fetch_keys = fetch_keys
        self._keys: Mapping[str, OKPKey] = {}
        self._fetched = float("-inf")
        self._cache: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """The principal of a valid token; raises Unauthenticated for every other text."""
        digest = sha256(token.encode()).digest()
        known = self._cache.get(digest)
        if known is None:
            known = await self._check(token)
            self._cache[digest] = known
            if len(self._cache) > CACHE_MAX:
                self._cache.popitem(last=False)
        if known[1] + CLOCK_SKEW_S < time.time():
            self._cache.pop(digest, None)
            raise _refused("has expired")
        return known[0]

    async def _check(self, token: str) -> tuple[Principal, float]:
        if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
            raise _refused("is malformed")
        key = await self._key(_key_id(token))
        try:
            decoded = jwt.decode(token, key, algorithms=["Ed25519"])
        except (JoseError, ValueError, TypeError, RecursionError):
            raise _refused("has no valid signature") from None
        claims = decoded.claims
        _check_claims(claims)
        return _principal(claims), float(claims["exp"])

    async def _key(self, kid: str) -> OKPKey:
        if kid not in self._keys and time.monotonic() - self._fetched > KEYS_FETCH_INTERVAL_S:
            document = json.loads(await self._fetch_keys())
            self._keys = {key["kid"]: OKPKey.import_key(key) for key in document["keys"]}
            self._fetched = time.monotonic()
        if not self._keys:
            raise Unavailable("KEYS_UNAVAILABLE", "The signing keys are not known yet; try again.")
        if kid not in self._keys:
            raise _refused("is signed with an unknown key")
        return self._keys[kid]


def _key_id(token: str) -> str:
    """Key id of a token whose header says just what ours do: type, algorithm and key,
    nothing else.
    """
    try:
        header = jwt_header(token)
    except (ValueError, TypeError, RecursionError):
        raise _refused("is malformed") from None
    kid = header.get("kid")
    if set(header) != _HEADER_KEYS or header["typ"] != TYPE or header["alg"] != "Ed25519":
        raise _refused("is of another type")
    if not isinstance(kid, str) or not _KID.match(kid):
        raise _refused("has a malformed key id")
    return kid


def jwt_header(token: str) -> dict[str, object]:
    """The header of a compact JWT, unverified; duplicate keys and wrong shapes raise ValueError."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise ValueError("a compact JWT has three parts")
    raw = urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4))
    header = json.loads(raw, object_pairs_hook=_object)
    if not isinstance(header, dict):
        raise TypeError("a header is an object")
    return header


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a header names a key twice")
    return dict(pairs)


def _check_claims(claims: Mapping[str, object]) -> None:
    expires, issued = claims.get("exp"), claims.get("iat")
    if claims.get("iss") != ISSUER or claims.get("aud") != AUDIENCE:
        raise _refused("is for somebody else")
    if type(expires) is not int or type(issued) is not int:
        raise _refused("has no lifetime")
    if not 0 < expires - issued <= LIFETIME_S or issued > time.time() + CLOCK_SKEW_S:
        raise _refused("has a wrong lifetime")
    if expires <= 0 or not _names_somebody(claims):
        raise _refused("names nobody")


def _names_somebody(claims: Mapping[str, object]) -> bool:
    """Users and API clients have two ids, their own and their tenant's; a service has a name and
    no tenant.
    """
    subject, tenant, kind = claims.get("sub"), claims.get("tenant", ""), claims.get("kind")
    if not all(isinstance(one, str) for one in (subject, tenant, kind)):
        return False
    if kind in MEMBERS:
        return is_id(str(subject)) and is_id(str(tenant))
    return kind == "service" and subject != "" and tenant == ""


def _principal(claims: Mapping[str, object]) -> Principal:
    roles, version = claims.get("roles"), claims.get("access")
    return Principal(
        kind=str(claims["kind"]),
        id=str(claims["sub"]),
        tenant_id=str(claims.get("tenant", "")),
        session_id=str(claims.get("session", "")),
        role_ids=tuple(str(role) for role in roles) if isinstance(roles, list) else (),
        partner_company_id=str(claims.get("company", "")),
        access_version=version if isinstance(version, int) else 0,
        scopes=tuple(str(claims.get("scope", "")).split()),
        restriction=str(claims.get("restriction", "")),
    )


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated("TOKEN_INVALID", f"The internal token {why}.", metadata={"why": why})
