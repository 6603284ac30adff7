"""PostgreSQL's programs as the wheel has them know no TLS: what they say is carried through a
connection of Python's, whose other end must prove who it is.
"""

import asyncio
import logging
import ssl
import struct
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from deploy.backup.errors import BackupError

VERIFIED: Final = "verify-full"
UNGUARDED: Final = ("disable", "allow", "prefer")
PORT: Final = 5432
LOG: Final = logging.getLogger(__name__)
FAREWELL_S: Final = 5.0
PIECE_BYTES: Final = 256 * 1024
# How a client asks for TLS, and what the server answers if it agrees.
REQUEST: Final = struct.pack("!ii", 8, 80877103)
AGREED: Final = b"S"


@contextmanager
def near(url: str) -> Iterator[str]:
    """The URL itself, or that of a socket beside us where it asks for TLS (`sslmode=verify-full`);
    BackupError for other ways of asking.
    """
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    mode = asked.pop("sslmode", "prefer")
    if mode in UNGUARDED:
        yield url
        return
    if mode != VERIFIED or "sslrootcert" not in asked:
        raise BackupError(f"{parts.hostname}: use sslmode={VERIFIED} with sslrootcert, or no TLS")
    context = ssl.create_default_context(cafile=asked.pop("sslrootcert"))
    port = parts.port or PORT
    with tempfile.TemporaryDirectory() as folder:
        carrier = _Carrier(str(parts.hostname), port, context)
        with carrier.listening(Path(folder) / f".s.PGSQL.{port}"):
            login = parts.netloc.rpartition("@")[0]
            query = urlencode({**asked, "host": folder, "port": port})
            yield parts._replace(netloc=f"{login}@", query=query).geturl()


class _Carrier:
    """Takes connections at a socket and carries each to the server."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self._host = host
        self._port = port
        self._context = context

    @contextmanager
    def listening(self, path: Path) -> Iterator[None]:
        """As long as the block lasts, in a thread of its own."""
        running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        thread = Thread(target=asyncio.run, args=(self._listen(path, running),), daemon=True)
        thread.start()
        loop, stop = running.result()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()

    async def _listen(
        self, path: Path, running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]
    ) -> None:
        stop = asyncio.Event()
        server = await asyncio.start_unix_server(self._carry, path)
        running.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()
        server.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        far, to_far = await asyncio.open_connection(self._host, self._port)
        to_far.write(REQUEST)
        if await far.readexactly(len(AGREED)) != AGREED:
            to_far.close()
            raise ConnectionError("it knows no TLS")
        await to_far.start_tls(self._context, server_hostname=self._host)
        return far, to_far

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far, to_far = await self._connect()
        except (OSError, asyncio.IncompleteReadError) as error:
            LOG.warning("no way to %s: %s", self._host, error)
            writer.close()
            return
        ways = [asyncio.create_task(_pour(reader, to_far)), asyncio.create_task(_pour(far, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await _end(to_far, writer)


async def _end(*writers: asyncio.StreamWriter) -> None:
    """Say good-bye, which takes a moment with TLS."""
    for one in writers:
        one.close()
    with suppress(OSError):
        async with asyncio.timeout(FAREWELL_S):
            for one in writers:
                await one.wait_closed()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, until one of both ends is closed."""
    try:
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    except OSError:
        return
