"""Where the bytes of an upload go: straight to a service, or to disk until it is known which."""

import asyncio
from typing import IO, Protocol

import grpc
from google.protobuf.message import Message

from chassis.errors import Unavailable
from crm.chassis.v1.import_pb2 import UploadFileResponse
from crm.chassis.v1.operation_pb2 import FileChunk
from services.gateway.exchange import Metadata

CHUNK_BYTES = 64 * 1024
UPLOAD_TIMEOUT_S = 3600.0
STATUS_POLLS = 20
STATUS_POLL_S = 0.02


class Sink(Protocol):
    """Somewhere to write to."""

    async def write(self, data: bytes) -> None:
        """Take a piece; returns when there is room for the next."""


class Upload:
    """Streams a file to a service in pieces of 64 KiB; writing waits for the service."""

    def __init__(
        self,
        stub: "grpc.aio.StreamUnaryMultiCallable[Message, UploadFileResponse]",
        metadata: Metadata,
    ) -> None:
        self._call = stub(  # type: ignore[call-arg]  # the iterator is optional at run time
            metadata=metadata, timeout=UPLOAD_TIMEOUT_S
        )
        self._buffer = bytearray()

    async def write(self, data: bytes) -> None:
        """Send what is complete of it."""
        self._buffer += data
        while len(self._buffer) >= CHUNK_BYTES:
            await self._send(bytes(self._buffer[:CHUNK_BYTES]))
            del self._buffer[:CHUNK_BYTES]

    async def finish(self) -> str:
        """Send the rest; the id of the stored file."""
        if self._buffer:
            await self._send(bytes(self._buffer))
        try:
            await self._call.done_writing()
        except grpc.aio.InternalError:
            await self._refusal()
        return (await self._call).file_id

    def cancel(self) -> None:
        """Give up; the service removes what it has."""
        self._call.cancel()

    async def _send(self, data: bytes) -> None:
        try:
            await self._call.write(FileChunk(data=data))
        except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
            await self._refusal()

    async def _refusal(self) -> None:
        """Raise what the service says, which arrives a moment after the write that fails for it."""
        for _ in range(STATUS_POLLS):
            if self._call.done() and await self._call.code() is not grpc.StatusCode.INTERNAL:
                break
            await asyncio.sleep(STATUS_POLL_S)
        await self._call
        raise Unavailable("UNAVAILABLE", "The upload ended too early.")


class Spool:
    """Keeps a file on disk until it is known where it goes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    async def write(self, data: bytes) -> None:
        """Append to the file."""
        await asyncio.to_thread(self._file.write, data)

    async def copy_to(self, sink: Sink) -> None:
        """Write all of it to a sink."""
        await asyncio.to_thread(self._file.seek, 0)
        while data := await asyncio.to_thread(self._file.read, CHUNK_BYTES):
            await sink.write(data)
