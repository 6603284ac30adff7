"""The pages beside the API, and what the server does with odd clients."""

import asyncio
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from services.gateway import edge as edge_module
from services.gateway import server as server_module
from services.gateway.app import Gateway
from services.gateway.openapi import document
from services.gateway.ratelimit import RateLimiter
from services.gateway.release import VERSION
from tests.integration.gateway.upstream import Upstream


@pytest.fixture
async def anonymous(http: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client without a token."""
    del http.headers["authorization"]
    return http


async def test_health_and_description_need_no_token(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/healthz")).json() == {"status": "ok"}
    ready = (await anonymous.get("/readyz")).json()
    assert ready == {"status": "ready", "version": VERSION}
    assert (await anonymous.get("/openapi.json")).json() == document()


@pytest.mark.parametrize("path", ["/docs", "/docs/docs.css", "/docs/docs.js"])
async def test_docs_load_nothing_from_elsewhere(anonymous: httpx.AsyncClient, path: str) -> None:
    answer = await anonymous.get(path)
    assert answer.status_code == 200
    assert "//" not in answer.text.replace("// Shows", "").replace("https://crm", "")
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_requests_beyond_the_rate_are_429(
    http: httpx.AsyncClient, gateway: tuple[Gateway, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = RateLimiter(1)
    monkeypatch.setattr(gateway[0]._edge, "_limiter", limiter)
    monkeypatch.setattr(gateway[0]._edge, "_policy", limiter.policy.encode())
    answers = [await http.get("/v1/customers/c1") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [501, 501, 429]
    assert answers[0].headers["ratelimit"] == '"default";r=1;t=1'
    assert answers[0].headers["ratelimit-policy"] == '"default";q=2;w=2'
    assert answers[2].headers["retry-after"] == "1"
    assert answers[2].json()["reason"] == "RATE_LIMITED"


async def test_made_up_tokens_are_counted_at_their_address(
    anonymous: httpx.AsyncClient, gateway: tuple[Gateway, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs identity a question; whoever is known asks none and is not kept out."""
    good = {"authorization": "Bearer good"}
    await anonymous.get("/v1/customers/c1", headers=good)
    monkeypatch.setattr(gateway[0]._edge, "_limiter", RateLimiter(1))
    codes = []
    for number in range(3):
        headers = {"authorization": f"Bearer made-up-{number}"}
        codes.append((await anonymous.get("/v1/customers/c1", headers=headers)).status_code)
    assert codes == [401, 401, 429]
    assert (await anonymous.get("/v1/customers/c1", headers=good)).status_code == 501


async def test_too_many_at_once_are_503(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_module, "CONCURRENCY_MAX", 0)
    answer = await http.get("/v1/customers/c1")
    assert (answer.status_code, answer.json()["reason"]) == (503, "OVERLOADED")


async def test_odd_request_ids_are_replaced(anonymous: httpx.AsyncClient) -> None:
    for odd in ("a b", "x" * 65, "ä", '"'):
        answer = await anonymous.get("/v1/x", headers=[(b"x-request-id", odd.encode())])
        assert len(answer.headers["x-request-id"]) == 32


async def test_trace_of_the_caller_goes_on(anonymous: httpx.AsyncClient) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    span = "00f067aa0ba902b7-01"
    good = await anonymous.get("/v1/x", headers={"traceparent": f"00-{trace}-{span}"})
    assert good.json()["trace_id"] == trace
    odd = await anonymous.get("/v1/x", headers={"traceparent": f"00-{'0' * 32}-{span}"})
    assert odd.json()["trace_id"] not in {trace, "0" * 32}


async def raw(url: str, sent: bytes) -> bytes:
    """What the server answers to these bytes before it closes."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: a\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nx: a\r\n b\r\nbad header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
async def test_bad_heads_are_400(gateway: tuple[Gateway, str], head: bytes) -> None:
    answer = await raw(gateway[1], head)
    assert answer.startswith(b"HTTP/1.1 400")
    start, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in start
    assert orjson.loads(body)["reason"] == "HEAD_INVALID"


async def test_line_breaks_in_a_path_lead_nowhere(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get("/v1/nothing/a%0Ab")
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_PATH")


async def test_slow_heads_are_cut_off(
    gateway: tuple[Gateway, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HEADER_TIMEOUT_S", 0.2)
    assert await raw(gateway[1], b"GET / HTTP/1.1\r\nhost: x\r\n") == b""


async def test_endless_bodies_are_cut_off(
    gateway: tuple[Gateway, str], upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "DROPPED_BYTES_MAX", 100_000)
    head = b"POST /v1/nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n"
    parts = urlsplit(gateway[1])
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(head)
    assert b"404" in await reader.read(100)
    with pytest.raises(ConnectionError):
        await send_endlessly(writer)
    writer.close()


async def send_endlessly(writer: asyncio.StreamWriter) -> None:
    async with asyncio.timeout(5):
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            await asyncio.sleep(0.01)
