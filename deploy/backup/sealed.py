"""Sealed files: AES-256-GCM in chunks with a counter and a mark on the last one (STREAM, as in
age), under a key of their own. Nothing can be changed, moved, repeated or cut without notice.
"""

import secrets
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deploy.backup.errors import DamagedError

MAGIC: Final = b"crm sealed 1\n"
SALT_BYTES: Final = 32
CHUNK_BYTES: Final = 1024 * 1024
TAG_BYTES: Final = 16


def derived_key(key: bytes, salt: bytes, purpose: str) -> bytes:
    """A key for one purpose (RFC 5869)."""
    return HKDF(SHA256(), 32, salt, purpose.encode()).derive(key)


class SealedWriter:
    """Seals what is written into a new file; `name` is bound to its content.

    `bytes` and `digest` are those of the file, once it is closed without an error.
    """

    def __init__(self, path: Path, key: bytes, name: str) -> None:
        salt = secrets.token_bytes(SALT_BYTES)
        self._cipher = AESGCM(derived_key(key, salt, name))
        self._waiting = bytearray()
        self._count = 0
        self._sha = sha256()
        self.bytes = 0
        self.plain_bytes = 0
        self._file = path.open("xb")
        self._put(MAGIC + salt)

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return self._sha.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        """Write the last chunk, unless something went wrong: then the file stays unfinished."""
        with self._file:
            if kind is None:
                self._chunk(len(self._waiting), last=True)

    def write(self, data: bytes) -> int:
        """Seal more."""
        self._waiting += data
        self.plain_bytes += len(data)
        while len(self._waiting) > CHUNK_BYTES:
            self._chunk(CHUNK_BYTES, last=False)
        return len(data)

    def _chunk(self, size: int, *, last: bool) -> None:
        data = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._put(self._cipher.encrypt(_nonce(self._count, last=last), data, None))
        self._count += 1

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._sha.update(data)
        self.bytes += len(data)


def opened(path: Path, key: bytes, name: str) -> Iterator[bytes]:
    """The content of a sealed file, chunk by chunk; DamagedError where it is not as sealed.

    What was yielded is genuine; that it is all is known only at the end.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise DamagedError(f"{path.name} is damaged: it does not begin as a sealed file")
        cipher = AESGCM(derived_key(key, file.read(SALT_BYTES), name))
        count, data = 0, file.read(CHUNK_BYTES + TAG_BYTES)
        while True:
            following = file.read(CHUNK_BYTES + TAG_BYTES)
            try:
                yield cipher.decrypt(_nonce(count, last=not following), data, None)
            except InvalidTag as error:
                raise DamagedError(f"{path.name} is damaged or cut in chunk {count}") from error
            if not following:
                return
            count, data = count + 1, following


def file_digest(file: BinaryIO) -> str:
    """SHA-256 of a file."""
    sha = sha256()
    while data := file.read(CHUNK_BYTES):
        sha.update(data)
    return sha.hexdigest()


def _nonce(count: int, *, last: bool) -> bytes:
    """Each chunk has its number; a file has a key of its own, so none is used twice."""
    return count.to_bytes(11, "big") + bytes([last])
