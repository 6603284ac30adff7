"""Live updates: what is streamed to whom, from where on, and when it ends."""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

import httpx
import pytest
from nats.aio.client import Client

from crm.identity.v1 import session_pb2
from services.gateway import live as live_module
from services.gateway import ring as ring_module
from services.gateway.app import Gateway
from services.gateway.release import VERSION
from services.gateway.ring import LiveEvent
from tests.integration.gateway.conftest import free_port
from tests.integration.gateway.upstream import SESSIONS, Upstream

_numbers = count(1)
ALL = [{"resource": "*", "verbs": ["READ"], "scope": "ALL"}]
OWN = [{"resource": "customers", "verbs": ["READ"], "scope": "OWN"}]


@pytest.fixture
def tenant(http: httpx.AsyncClient, upstream: Upstream) -> str:
    """A tenant of the test's own, with a user of all rights ("boss") and one of few ("clerk")."""
    name = f"live{next(_numbers)}"
    records = [
        session_pb2.AccessRecord(kind="role", id="all", data=json.dumps({"grants": ALL}).encode()),
        session_pb2.AccessRecord(kind="role", id="own", data=json.dumps({"grants": OWN}).encode()),
    ]
    answer = session_pb2.GetAccessResponse(access_version=1, records=records)
    upstream.answer(f"{SESSIONS}/GetAccess", session_pb2.GetAccessRequest, answer)
    upstream.admit(f"boss-{name}", name, "boss", ("all",))
    upstream.admit(f"clerk-{name}", name, "clerk", ("own",))
    return name


class Stream:
    """An open stream of events."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def frame(self) -> dict[str, str]:
        """The next frame that is no heartbeat, by field."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            while True:
                line = await anext(self._lines)
                if not line and fields:
                    return fields
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value

    async def rest(self) -> list[str]:
        """All lines until the stream ends."""
        async with asyncio.timeout(10):
            return [line async for line in self._lines]


@asynccontextmanager
async def opened(http: httpx.AsyncClient, token: str, **headers: str) -> AsyncIterator[Stream]:
    sent = {"authorization": f"Bearer {token}", **headers}
    async with http.stream("GET", "/v1/events", headers=sent) as answer:
        stream = Stream(answer)
        if answer.status_code == 200:
            told = {"event": "release", "data": f'{{"version":"{VERSION}"}}'}
            assert await stream.frame() == {"retry": "2000", **told}
            await asyncio.sleep(0.05)  # the subscription follows the first frame
        yield stream


def headers_of(identity: str) -> dict[str, str]:
    return {
        "ce-time": "2026-01-31T08:00:00Z",
        "ce-subject": identity,
        "ce-recordversion": "7",
    }


async def publish(
    broker: Client, tenant: str, identity: str, owner: str = "clerk", shared: Sequence[str] = ()
) -> int:
    data = {"id": identity, "owner_id": owner, "name": "secret", "grantee_ids": shared}
    ack = await broker.jetstream().publish(
        f"crm.{tenant}.customer.03.customer.updated",
        json.dumps(data).encode(),
        headers=headers_of(identity),
    )
    return int(ack.seq)


async def test_events_come_with_what_subscribers_may_know(
    http: httpx.AsyncClient, broker: Client, tenant: str
) -> None:
    async with opened(http, f"boss-{tenant}") as stream:
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        await publish(broker, "other", "c0")
        sequence = await publish(broker, tenant, "c1")
        frame = await stream.frame()
    assert frame["id"] == str(sequence)
    assert frame["event"] == "customer.updated"
    assert json.loads(frame["data"]) == {
        "resource": "customer",
        "id": "c1",
        "version": 7,
        "event": "updated",
        "time": "2026-01-31T08:00:00Z",
    }


async def test_only_events_within_the_grants_come(
    http: httpx.AsyncClient, broker: Client, tenant: str
) -> None:
    async with opened(http, f"clerk-{tenant}") as stream:
        await publish(broker, tenant, "c1", owner="boss", shared=["chief"])
        for name, data in (
            ("opportunity", b'{"owner_id": "clerk"}'),
            ("dragon", b'{"owner_id": "clerk"}'),
            ("customer", b"no json"),
        ):
            subject = f"crm.{tenant}.sales.03.{name}.won"
            await broker.jetstream().publish(subject, data, headers=headers_of("x"))
        await publish(broker, tenant, "c2")
        frame = await stream.frame()
    assert json.loads(frame["data"])["id"] == "c2"


async def test_events_of_shared_records_come_as_long_as_they_are_shared(
    http: httpx.AsyncClient, broker: Client, tenant: str
) -> None:
    async with opened(http, f"clerk-{tenant}") as stream:
        await publish(broker, tenant, "c1", owner="boss", shared=["chief", "clerk"])
        await publish(broker, tenant, "c1", owner="boss")
        await publish(broker, tenant, "c2")
        told = [json.loads((await stream.frame())["data"])["id"] for _ in range(2)]
    assert told == ["c1", "c2"]


@pytest.mark.parametrize("by", ["header", "query"])
async def test_stream_resumes_from_the_ring(
    http: httpx.AsyncClient, broker: Client, tenant: str, by: str
) -> None:
    async with opened(http, f"boss-{tenant}") as stream:
        first = await publish(broker, tenant, "c1")
        await publish(broker, tenant, "c2")
        await stream.frame()
        await stream.frame()
    if by == "header":
        async with opened(http, f"boss-{tenant}", **{"last-event-id": str(first)}) as stream:
            assert json.loads((await stream.frame())["data"])["id"] == "c2"
        return
    sent = {"authorization": f"Bearer boss-{tenant}"}
    path = f"/v1/events?last_event_id={first}"
    async with http.stream("GET", path, headers=sent) as answer:
        stream = Stream(answer)
        await stream.frame()
        assert json.loads((await stream.frame())["data"])["id"] == "c2"


async def test_stream_resumes_from_the_backlog_when_the_ring_is_too_short(
    http: httpx.AsyncClient, broker: Client, tenant: str, gateway: tuple[Gateway, str]
) -> None:
    first = await publish(broker, tenant, "c1")
    await publish(broker, "other", "c0")
    last = await publish(broker, tenant, "c2")
    feed = gateway[0]._ring
    while feed.last_sequence < last:  # noqa: ASYNC110 -- no event for it
        await asyncio.sleep(0.01)
    feed.lost(last + 1)  # as after a restart: the ring begins after the events
    async with opened(http, f"boss-{tenant}", **{"last-event-id": str(first - 1)}) as stream:
        found = [json.loads((await stream.frame())["data"])["id"] for _ in range(2)]
    assert found == ["c1", "c2"]


@pytest.mark.parametrize("position", ["999999999"])
async def test_position_that_the_stream_does_not_have_is_a_reset(
    http: httpx.AsyncClient, broker: Client, tenant: str, position: str
) -> None:
    async with opened(http, f"boss-{tenant}", **{"last-event-id": position}) as stream:
        assert (await stream.frame())["event"] == "reset"
        sequence = await publish(broker, tenant, "c1")
        assert (await stream.frame())["id"] == str(sequence)


async def test_missed_events_are_a_reset_for_those_who_listen(
    http: httpx.AsyncClient, tenant: str, gateway: tuple[Gateway, str]
) -> None:
    async with opened(http, f"boss-{tenant}") as stream:
        gateway[0]._ring.lost(gateway[0]._ring.last_sequence + 1)
        assert (await stream.frame())["event"] == "reset"


@pytest.mark.parametrize("position", ["x", "-1", "1" * 30])
async def test_malformed_position_is_a_problem(
    http: httpx.AsyncClient, tenant: str, position: str
) -> None:
    async with opened(http, f"boss-{tenant}", **{"last-event-id": position}) as stream:
        assert stream.answer.status_code == 400


async def test_stream_ends_within_five_seconds_of_a_revocation(
    http: httpx.AsyncClient, broker: Client, tenant: str, upstream: Upstream
) -> None:
    async with opened(http, f"boss-{tenant}") as stream:
        del upstream.people[f"boss-{tenant}"]
        data = json.dumps({"id": f"session-boss-{tenant}"}).encode()
        began = time.monotonic()
        await broker.jetstream().publish(f"crm.{tenant}.identity.01.session.revoked", data)
        assert (await stream.rest())[-2:] == ["retry: 2000", ""]
        assert time.monotonic() - began < 5


async def test_changed_grants_hold_at_once(
    http: httpx.AsyncClient, broker: Client, tenant: str, upstream: Upstream
) -> None:
    async with opened(http, f"clerk-{tenant}") as stream:
        await publish(broker, tenant, "c1")
        await stream.frame()
        nothing = session_pb2.GetAccessResponse(access_version=2)
        upstream.answer(f"{SESSIONS}/GetAccess", session_pb2.GetAccessRequest, nothing)
        asked = len(upstream.seen(f"{SESSIONS}/GetAccess"))
        await broker.jetstream().publish(f"crm.{tenant}.identity.01.role.updated", b'{"id": "own"}')
        await asyncio.sleep(0.2)
        await publish(broker, tenant, "c2")
        await asyncio.sleep(0.2)
        assert len(upstream.seen(f"{SESSIONS}/GetAccess")) == asked + 1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await stream.frame()


async def test_heartbeats_keep_the_stream_open(
    http: httpx.AsyncClient, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "HEARTBEAT_S", 0.1)
    async with opened(http, f"boss-{tenant}") as stream:
        async with asyncio.timeout(5):
            assert await anext(stream._lines) == ": still here"


async def test_slow_clients_are_given_up(tenant: str) -> None:
    feed = ring_module.Ring()
    event = LiveEvent(1, tenant, "customer", "c", 1, "updated", "", "", "", "")
    with feed.subscription(tenant) as subscription:
        for _ in range(ring_module.QUEUE_EVENTS):
            subscription.offer(event)
        assert not subscription.ended
        subscription.offer(event)
        assert subscription.ended


async def test_streams_of_a_tenant_are_bounded(
    http: httpx.AsyncClient, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring_module, "STREAMS_PER_TENANT", 1)
    async with opened(http, f"boss-{tenant}"), opened(http, f"clerk-{tenant}") as second:
        assert second.answer.status_code == 429
        await second.answer.aread()
        assert second.answer.json()["reason"] == "STREAMS_EXHAUSTED"
    async with opened(http, f"clerk-{tenant}") as third:
        assert third.answer.status_code == 200


async def test_sigterm_ends_streams_and_exits_with_zero(
    upstream: Upstream, nats_url: str, tenant: str
) -> None:
    port = free_port()
    targets = {f"{name}_TARGET": upstream.address for name in (
        "IDENTITY", "CUSTOMER", "SALES", "MARKETING", "REPORTING"
    )}  # fmt: skip
    environment = {
        **os.environ,
        **targets,
        "HTTP_LISTEN": f"127.0.0.1:{port}",
        "NATS_URL": nats_url,
        "SERVICE_SECRET": "secret",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.gateway", env=environment, stdout=PIPE
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        await until_ready(http)
        async with opened(http, f"boss-{tenant}") as stream:
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert "retry: 2000" in await stream.rest()
        assert await process.wait() == 0
        assert time.monotonic() - began < 8
    assert process.stdout is not None
    lines = [json.loads(line) for line in (await process.stdout.read()).splitlines()]
    (line,) = [line for line in lines if line.get("route") == "/v1/events"]
    assert (line["status"], line["tenant_id"], line["event"]) == (200, tenant, "request")


async def until_ready(http: httpx.AsyncClient) -> None:
    for _ in range(200):
        try:
            if (await http.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.05)
    raise AssertionError("the gateway is not ready")


async def test_scopes_narrow_what_a_client_hears_of(
    http: httpx.AsyncClient, upstream: Upstream, broker: Client, tenant: str
) -> None:
    upstream.admit(f"narrow-{tenant}", tenant, "client", ("all",), "contacts:* users:read")
    upstream.admit(f"fit-{tenant}", tenant, "client", ("all",), "customers:read")
    async with opened(http, f"narrow-{tenant}") as narrow, opened(http, f"fit-{tenant}") as fit:
        await publish(broker, tenant, "c1")
        assert json.loads((await fit.frame())["data"])["id"] == "c1"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await narrow.frame()
