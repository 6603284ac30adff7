"""What disturbs a platform from outside its processes: connections, messages, impatient clients."""

import asyncio
import json
import random
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
from nats.aio.client import Client as Nats
from nats.js import api

from chassis.events.envelope import timestamp
from chassis.events.streams import stream_name
from chassis.ids import new_id
from deploy.local.platform import Platform
from tests.fault.campaign.client import Ask, Client, Place
from tests.fault.campaign.history import History, canary
from tests.live import Tenant
from tests.under_way import with_nats

STORM_CALLS = 100
REPEATED = 300
HELD_MAX = 400


def tried(call: Callable[[], httpx.Response]) -> httpx.Response | None:
    """The answer, or None when there is none."""
    try:
        return call()
    except httpx.HTTPError:
        return None


def end_backends(platform: Platform, application: str) -> int:
    """End the connections of a role of a service; how many there were."""

    async def end() -> int:
        admin = await asyncpg.connect(platform.admin_database_url())
        try:
            found = await admin.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = $1",
                application,
            )
            return len(found)
        finally:
            await admin.close()

    return asyncio.run(end())


def exhaust(platform: Platform, seconds: float) -> bool:
    """Take all connections that the server still has; whether it refused one more."""

    async def take() -> bool:
        held: list[asyncpg.Connection] = []
        try:
            while len(held) < HELD_MAX:
                held.append(await asyncpg.connect(platform.admin_database_url(), timeout=5))
        except (asyncpg.TooManyConnectionsError, TimeoutError, OSError) as error:
            await asyncio.sleep(seconds)
            return isinstance(error, asyncpg.TooManyConnectionsError)
        finally:
            await asyncio.gather(*(one.close() for one in held), return_exceptions=True)
        return False

    return asyncio.run(take())


def slow_reader(tenant: Tenant, seconds: float) -> bool:
    """Open the live updates and read nothing; whether something was waiting in the end."""
    url = urlsplit(tenant.url)
    with socket.create_connection((str(url.hostname), int(url.port or 80))) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        token = tenant.http.headers["authorization"]
        head = f"GET /v1/events HTTP/1.1\r\nHost: crm\r\nAuthorization: {token}\r\n\r\n"
        connection.sendall(head.encode())
        time.sleep(seconds)
        connection.settimeout(1)
        try:
            return len(connection.recv(4096)) > 0
        except OSError:
            return False


def poison(platform: Platform, tenant: str, kind: str) -> str:
    """Publish an event about an opportunity that nobody can apply; its id.

    `unreadable` is no event to anybody; every other kind is what its amount says.
    """
    event, record = new_id(), new_id()
    headers = {
        "ce-specversion": "9.9" if kind == "unreadable" else "1.0",
        "ce-id": event, "ce-source": "/crm/sales", "ce-type": "crm.sales.v1.opportunity.created",
        "ce-subject": record, "ce-time": timestamp(datetime.now(UTC)), "ce-tenantid": tenant,
        "ce-resource": "opportunity", "ce-recordversion": "1",
    }  # fmt: skip
    data = json.dumps({"id": record, "amount": {"currency_code": "CNY", "amount": kind}})
    subject = f"crm.{tenant}.sales.00.opportunity.created"

    async def publish(client: Nats) -> None:
        await client.jetstream().publish(subject, data.encode(), headers=headers)

    asyncio.run(with_nats(platform, publish))
    return event


def is_parked(platform: Platform, service: str, event: str) -> bool:
    """Whether a service has put an event aside."""

    async def ask() -> bool:
        connection = await asyncpg.connect(platform.database_url(service, "owner"))
        try:
            query = "SELECT EXISTS (SELECT FROM parked WHERE event_id = $1)"
            return bool(await connection.fetchval(query, event))
        finally:
            await connection.close()

    return asyncio.run(ask())


def repeat(platform: Platform, service: str, chance: random.Random) -> int:
    """Publish the newest events of a stream again, shuffled, each up to three times."""
    counts = [0]

    async def again(client: Nats) -> None:
        jetstream = client.jetstream()
        stream = stream_name(service)
        last = (await jetstream.stream_info(stream)).state.last_seq
        config = api.ConsumerConfig(
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=max(1, last - REPEATED), ack_policy=api.AckPolicy.NONE,
        )  # fmt: skip
        messages = await jetstream.pull_subscribe("", stream=stream, config=config)
        found = await messages.fetch(REPEATED, timeout=5)
        copies = [one for one in found for _ in range(chance.randint(1, 3))]
        chance.shuffle(copies)
        for one in copies:
            # Under another id, as after the window in which the broker knows its duplicates.
            known = {
                key: text for key, text in (one.headers or {}).items() if key.startswith("ce-")
            }
            headers = {**known, "Nats-Msg-Id": new_id()}
            await jetstream.publish(one.subject, one.data, headers=headers)
        await messages.unsubscribe()
        counts.append(len(copies))

    asyncio.run(with_nats(platform, again))
    return counts[-1]


def storm(tenant: Tenant, folder: Path, number: int) -> int:
    """Creations by clients that hang up after 1 to 50 ms, then ask again under the same key."""
    token = tenant.http.headers["authorization"].removeprefix("Bearer ")
    place = Place(tenant.id, canary(tenant.slug), token)
    history = History(folder / f"history-storm-{number}.jsonl")

    async def one(client: Client, calls: int) -> None:
        for _ in range(calls):
            value = client.value()
            ask = Ask("create", "sales", "POST", "/v1/opportunities", {"name": value}, value=value)
            await client.ask(ask, client.random.uniform(0.001, 0.05))

    async def all_of_them() -> int:
        clients = [Client(tenant.url, place, number * 100 + at, history) for at in range(5)]
        await asyncio.gather(*(one(client, STORM_CALLS // 5) for client in clients))
        for client in clients:
            await client.close()
        return sum(client.done for client in clients)

    done = asyncio.run(all_of_them())
    history.close()
    return done
