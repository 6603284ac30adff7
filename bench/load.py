"""A small HTTP/1.1 load generator: N keep-alive connections, each sending its next
request at once.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

READ_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, entity tag and body of one answer."""

    status: int
    etag: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Load:
    """What a run came to; latencies in milliseconds."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int


# Method, path, body and extra header lines.
Request = tuple[str, str, bytes, str]
# (connection, number of the request on it, its last answer) -> the next request
NextRequest = Callable[[int, int, Answer | None], Request]


async def run_load(
    url: str, token: str, connections: int, seconds: float, next_request: NextRequest
) -> Load:
    """Send requests for so many seconds; other statuses than 200 count as errors."""
    latencies: list[float] = []
    errors = 0

    async def work(number: int) -> None:
        nonlocal errors
        client = await _Client.connect(url, token)
        answer: Answer | None = None
        count = 0
        while time.perf_counter() < end:
            request = next_request(number, count, answer)
            began = time.perf_counter()
            answer = await client.send(*request)
            latencies.append((time.perf_counter() - began) * 1000)
            errors += answer.status != 200
            count += 1
        client.close()

    began = time.perf_counter()
    end = began + seconds
    await asyncio.gather(*[work(number) for number in range(connections)])
    took = time.perf_counter() - began
    latencies.sort()
    return Load(
        requests=len(latencies),
        seconds=took,
        p50_ms=latencies[len(latencies) // 2],
        p99_ms=latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)],
        errors=errors,
    )


class _Client:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._head = head

    @classmethod
    async def connect(cls, url: str, token: str) -> "_Client":
        where = urlsplit(url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        head = f"Host: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
        return cls(reader, writer, head)

    async def send(self, method: str, path: str, body: bytes, extra: str) -> Answer:
        """One request and its answer; the body must come with a Content-Length."""
        content = "Content-Type: application/json\r\n" if body else ""
        head = (
            f"{method} {path} HTTP/1.1\r\n{self._head}{content}{extra}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        raw = await self._reader.readuntil(b"\r\n\r\n")
        lines = raw.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        data = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(lines[0].split(" ")[1]), headers.get("etag", ""), data)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
