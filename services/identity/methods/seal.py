"""Secrets that must be read again, sealed for the database: AES-256-GCM (NIST SP 800-38D)."""

import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class Seal:
    """Seals with the first key and opens with any, so that a key can be replaced."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = [AESGCM(key) for key in keys]

    def close(self, secret: bytes, owner: str) -> bytes:
        """The sealed secret; it opens for the same `owner` (tenant and user) only."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._keys[0].encrypt(nonce, secret, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """The secret; ValueError when no key opens it or it belongs to somebody else."""
        nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        for key in self._keys:
            try:
                return key.decrypt(nonce, text, owner.encode())
            except InvalidTag:
                continue
        raise ValueError("no sealing key opens this secret")
