"""Opaque tokens: random to whoever has them, hashes to us."""

import secrets
from hashlib import sha256

TOKEN_BYTES = 32


def new_token(prefix: str) -> str:
    """A token of 256 bits that says by its prefix what it is for."""
    return f"{prefix}{secrets.token_urlsafe(TOKEN_BYTES)}"


def hash_of(token: str) -> str:
    """What is kept of it; guessing one from its hash is as hard as guessing the token."""
    return sha256(token.encode()).hexdigest()
