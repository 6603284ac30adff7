"""API clients: what their secrets and tokens look like, how long they live, how they are
refused.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from chassis.errors import FailedPrecondition, InvalidArgument, NotFound, Unauthenticated

SECRETS_MAX = 5
TOKEN_LIFETIME = timedelta(hours=1)
# More living tokens than this end the oldest ones; a client needs one at a time.
TOKENS_MAX = 100
SECRET_PREFIX = "crm_cs_"  # noqa: S105  # how secrets begin, none itself
TOKEN_PREFIX = "crm_ct_"  # noqa: S105  # how tokens begin, none itself
PREFIX_SHOWN = len(SECRET_PREFIX) + 6
EVERYTHING = "*:*"
_SCOPE = re.compile(r"(?P<resource>\*|[a-z][a-z_]{1,62}):(?P<verb>\*|[a-z]{1,20})")


class ClientInvalid(Unauthenticated):
    """Client or secret is wrong, or the client may not be used; which of them is not told."""

    def __init__(self) -> None:
        super().__init__("CLIENT_INVALID", "The client or its secret is wrong.")


class ScopeInvalid(InvalidArgument):
    """A scope was asked for that the client does not have."""

    def __init__(self, scope: str) -> None:
        super().__init__(
            "SCOPE_INVALID",
            f"The client may not have the scope {scope}.",
            metadata={"scope": scope},
        )


class SecretsExhausted(FailedPrecondition):
    """The client has as many secrets as it may have."""

    def __init__(self) -> None:
        super().__init__(
            "SECRETS_EXHAUSTED",
            f"A client has at most {SECRETS_MAX} secrets; remove one first.",
            metadata={"limit": str(SECRETS_MAX)},
        )


class SecretNotFound(NotFound):
    """The client has no such secret."""

    def __init__(self, secret_id: str) -> None:
        super().__init__(
            "SECRET_NOT_FOUND",
            "The client has no such secret.",
            metadata={"id": secret_id},
        )


@dataclass(frozen=True, slots=True)
class Opaque:
    """A secret or token as it is given away, once, and what is kept of it."""

    text: str
    kept: str


def new_secret() -> Opaque:
    """A secret of 256 bits, which nobody guesses."""
    return _opaque(SECRET_PREFIX)


def new_token() -> Opaque:
    """An access token of 256 bits."""
    return _opaque(TOKEN_PREFIX)


def kept_of(text: str) -> str:
    """What is kept of a secret or token."""
    return sha256(text.encode()).hexdigest()


def split_scope(scope: str) -> tuple[str, str] | None:
    """Resource and verb of a scope such as "customers:read"; None when it is none."""
    match = _SCOPE.fullmatch(scope)
    return (match["resource"], match["verb"]) if match else None


def token_end(now: datetime, secret_end: datetime | None) -> datetime:
    """When a token given now ends: not after the secret that it was given for."""
    end = now + TOKEN_LIFETIME
    return min(end, secret_end) if secret_end else end


def _opaque(prefix: str) -> Opaque:
    text = prefix + secrets.token_urlsafe(32)
    return Opaque(text, kept_of(text))
