"""XLSX files: turned into CSV by a process of its own, with limits on what it may use."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import IO

import orjson

from chassis.errors import InvalidArgument, Unavailable
from chassis.imports.source import CHUNK_BYTES, Header, Source, header_of

WORKBOOK_BYTES_MAX = 100 * 1024 * 1024
HEADER_WAIT_S = 20.0
HEADERS_AT_ONCE_MAX = 2
REFUSED = 3
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")  # zip, empty zip, before 2007
_turn = asyncio.Semaphore(HEADERS_AT_ONCE_MAX)


async def is_workbook(source: Source) -> bool:
    """Whether the file begins as workbooks do, which no CSV does."""
    return (await source.read(0, 4)).startswith(_MAGIC)


async def workbook_header(source: Source, sheet: str) -> Header:
    """Column names of a workbook's sheet; InvalidArgument when it cannot be read."""
    try:
        chunks = as_csv(source, sheet)
        async with _turn, asyncio.timeout(HEADER_WAIT_S), aclosing(chunks):
            return await header_of(chunks)
    except TimeoutError:
        raise _beyond(f"header in {HEADER_WAIT_S:.0f} s") from None


async def as_csv(source: Source, sheet: str) -> AsyncGenerator[bytes, None]:
    """The sheet (the first one for "") as CSV, in pieces."""
    if await source.size() > WORKBOOK_BYTES_MAX:
        raise _beyond(f"{WORKBOOK_BYTES_MAX} bytes")
    with tempfile.TemporaryFile() as file:
        await _copy(source, file)
        process = await _start(file, sheet)
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            while chunk := await process.stdout.read(CHUNK_BYTES):
                yield chunk
            told = await process.stderr.read()
            await process.wait()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode == REFUSED:
        refusal = orjson.loads(told)
        raise _refused(refusal["reason"], refusal["text"], refusal["metadata"])
    if process.returncode:
        raise _beyond("memory and time")


async def _copy(source: Source, file: IO[bytes]) -> None:
    async for chunk in source.chunks(0):
        await asyncio.to_thread(file.write, chunk)
    file.seek(0)


async def _start(file: IO[bytes], sheet: str) -> asyncio.subprocess.Process:
    """The process, which knows nothing of ours but where the code lies."""
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "chassis.workbook", sheet),
            stdin=file,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except OSError as error:
        raise Unavailable("STORAGE_FULL", "The file cannot be read now.") from error


def _beyond(limit: str) -> InvalidArgument:
    text = f"The workbook is beyond a limit ({limit}); split it, or save it as CSV."
    return _refused("WORKBOOK_TOO_LARGE", text, {"limit": limit})


def _refused(reason: str, text: str, metadata: dict[str, str]) -> InvalidArgument:
    return InvalidArgument(reason, text, metadata=metadata, fields=[("file", text)])
