"""Codes of authenticators (RFC 6238: SHA-1, 6 digits, 30 seconds, one step before and after)."""

import secrets
from base64 import b32encode

from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SECRET_BYTES = 20
DIGITS = 6
STEP_S = 30
STEPS_AROUND = (-1, 0, 1)


def new_secret() -> bytes:
    """A secret of 160 bits (RFC 4226, 4)."""
    return secrets.token_bytes(SECRET_BYTES)


def readable(secret: bytes) -> str:
    """The secret in Base32, as people type it."""
    return b32encode(secret).decode()


def uri_of(secret: bytes, account: str, issuer: str) -> str:
    """The otpauth URI that a QR code shows."""
    return _totp(secret).get_provisioning_uri(account, issuer)


def step_of(secret: bytes, code: str, now_s: float) -> int | None:
    """The time step that the code is of, when it is near `now_s` (Unix seconds); else None."""
    given, totp = code.encode(), _totp(secret)
    steps = [int(now_s) // STEP_S + around for around in STEPS_AROUND]
    found = [step for step in steps if bytes_eq(totp.generate(step * STEP_S), given)]
    return found[-1] if found else None


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP_S)  # noqa: S303  # what authenticators know, RFC 6238
