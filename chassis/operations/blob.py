"""The blob store: one interface, and files in a folder that the service's replicas share."""

import asyncio
import os
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import BinaryIO, Protocol

from chassis.errors import CrmError, InvalidArgument, NotFound, ResourceExhausted, Unavailable
from chassis.ids import is_id

BLOB_BYTES_MAX = 1024**3
TENANT_BYTES_MAX = 10 * 1024**3
WRITE_BYTES = 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9_-]{43}\.[0-9a-f]{32}\Z")
_UNFINISHED = ".part"


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored file: its unguessable id, which ends with a digest of its content, and its bytes."""

    id: str
    size: int


class BlobStore(Protocol):
    """Files of tenants, written once, read by ranges. A file that is not there raises NotFound."""

    async def write(self, tenant_id: str, chunks: AsyncIterable[bytes], owner_id: str = "") -> Blob:
        """Store a stream durably, an owner's as `owned_id` says; over BLOB_BYTES_MAX is
        InvalidArgument FILE_TOO_LARGE.
        """

    async def size(self, tenant_id: str, blob_id: str) -> int:
        """Size in bytes."""

    async def read(self, tenant_id: str, blob_id: str, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset`; fewer at the end of the file."""

    async def delete(self, tenant_id: str, blob_id: str) -> None:
        """Remove the file; one that is gone already is fine."""

    async def sweep(self, age_s: float) -> int:
        """Remove what was written more than `age_s` seconds ago; how many files that was."""


def content_digest(blob_id: str) -> str:
    """What two files of the same content have in common; "" for what is no id."""
    return blob_id.rpartition(".")[2] if _ID.match(blob_id) else ""


def owned_id(blob_id: str, owner_id: str) -> str:
    """The id under which a file of somebody is kept: by the one that he was told, nobody else
    finds it.
    """
    secret, _, digest = blob_id.rpartition(".")
    kept = sha256(f"{owner_id} {secret}".encode()).digest()
    return f"{urlsafe_b64encode(kept).decode().rstrip('=')}.{digest}" if owner_id else blob_id


class FileBlobStore:
    """Blobs as files under `root`, one folder per tenant; complete ones appear by a rename."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def write(self, tenant_id: str, chunks: AsyncIterable[bytes], owner_id: str = "") -> Blob:
        """Store a stream durably; what goes wrong on the way leaves nothing behind."""
        secret = secrets.token_urlsafe(32)
        part = self._path(tenant_id, secret + _UNFINISHED)
        file = await asyncio.to_thread(self._create, part)
        try:
            size, digest = await _pour(file, chunks)
            blob_id = f"{secret}.{digest}"
            path = part.with_name(owned_id(blob_id, owner_id))
            await asyncio.to_thread(_finish, file, part, path)
        except BaseException as error:
            file.close()
            part.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise Unavailable("STORAGE_FULL", "The file cannot be stored now.") from error
            raise
        return Blob(blob_id, size)

    async def size(self, tenant_id: str, blob_id: str) -> int:
        """Size in bytes."""
        path = self._known(tenant_id, blob_id)
        try:
            return (await asyncio.to_thread(path.stat)).st_size
        except OSError:
            raise _gone() from None

    async def read(self, tenant_id: str, blob_id: str, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset`."""
        path = self._known(tenant_id, blob_id)
        try:
            return await asyncio.to_thread(_read, path, offset, length)
        except FileNotFoundError:
            raise _gone() from None

    async def delete(self, tenant_id: str, blob_id: str) -> None:
        """Remove the file."""
        path = self._known(tenant_id, blob_id)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def sweep(self, age_s: float) -> int:
        """Remove old files, unfinished ones too."""
        return await asyncio.to_thread(self._sweep, time.time() - age_s)

    def _path(self, tenant_id: str, blob_id: str) -> Path:
        if not is_id(tenant_id):
            raise _gone()
        return self._root / tenant_id / blob_id

    def _known(self, tenant_id: str, blob_id: str) -> Path:
        if not _ID.match(blob_id):
            raise _gone()
        return self._path(tenant_id, blob_id)

    def _create(self, part: Path) -> BinaryIO:
        part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sum(path.stat().st_size for path in _files(part.parent)) > TENANT_BYTES_MAX:
            raise ResourceExhausted("STORAGE_QUOTA", "Too many files wait; try again tomorrow.")
        return part.open("xb")

    def _sweep(self, before: float) -> int:
        old = [
            path
            for folder in (self._root.iterdir() if self._root.exists() else ())
            if folder.is_dir()
            for path in _files(folder)
            if path.stat().st_mtime < before
        ]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)


async def _pour(file: BinaryIO, chunks: AsyncIterable[bytes]) -> tuple[int, str]:
    """Write the stream to the file in large pieces; its size and digest."""
    size, waiting, digest = 0, bytearray(), blake2b(digest_size=16)
    async for chunk in chunks:
        size += len(chunk)
        if size > BLOB_BYTES_MAX:
            raise too_large(BLOB_BYTES_MAX)
        waiting += chunk
        if len(waiting) >= WRITE_BYTES:
            await asyncio.to_thread(_write, file, digest, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(_write, file, digest, bytes(waiting))
    return size, digest.hexdigest()


def too_large(bytes_max: int) -> InvalidArgument:
    """The error for a file with more bytes."""
    text = f"A file may have at most {bytes_max} bytes."
    return InvalidArgument("FILE_TOO_LARGE", text, metadata={"bytes_max": str(bytes_max)})


def _write(file: BinaryIO, digest: blake2b, data: bytes) -> None:
    file.write(data)
    digest.update(data)


def _finish(file: BinaryIO, part: Path, path: Path) -> None:
    with file:
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_file())


def _gone() -> CrmError:
    return NotFound("FILE_NOT_FOUND", "There is no such file; upload it first.")
