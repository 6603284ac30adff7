"""Password hashing (Argon2id, OWASP parameters), off the event loop and at most two at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chassis.errors import ResourceExhausted

TIME_COST = 2
MEMORY_COST_KIB = 19456
PARALLELISM = 1
CONCURRENT_MAX = 2
# About two seconds of work; more would only wait for answers that nobody waits for any more.
WAITING_MAX = 100


class Passwords:
    """Hashes and checks passwords; one object per process."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(TIME_COST, MEMORY_COST_KIB, PARALLELISM)
        self._slots = asyncio.Semaphore(CONCURRENT_MAX)
        self._waiting = 0
        # Checked for unknown users, so that they cost the same time as known ones.
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The encoded hash with its parameters and salt."""
        async with self._slot():
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the hashed one; takes as long when there is no hash."""
        async with self._slot():
            return await asyncio.to_thread(self._verify, password_hash, password)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """A turn; ResourceExhausted when WAITING_MAX are before this one."""
        if self._waiting >= WAITING_MAX:
            raise ResourceExhausted("PASSWORDS_BUSY", "Too many sign in just now; wait a moment.")
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1

    def _verify(self, password_hash: str | None, password: str) -> bool:
        try:
            self._hasher.verify(password_hash or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None
