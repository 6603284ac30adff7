"""A tenant's messages in the streams: heard by everybody first, then deleted."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from nats.js.errors import APIError

from chassis.events.streams import EDGE, stream_name
from chassis.rpc.tls import broker_context
from deploy.backup.moment import CONNECT_TIMEOUT_S
from deploy.backup.settings import Installation
from deploy.tenants.errors import TenantError
from deploy.tenants.sessions import Sessions

# Many deletions wait for the disk of the broker, which writes each.
TIMEOUT_S: Final = 30.0
READ: Final = 1000
AT_ONCE: Final = 20
HEARD_WITHIN_S: Final = 120.0
LOOK_EVERY_S: Final = 0.2
_UNPUBLISHED: Final = (
    "SELECT EXISTS (SELECT FROM base.change WHERE tenant_id = $1 AND publish_time IS NULL)"
)


@asynccontextmanager
async def broker(installation: Installation) -> AsyncIterator[Client]:
    """The broker; TenantError when it does not answer or refuses."""
    try:
        client = await nats.connect(
            installation.nats_url,
            tls=broker_context(installation.tls_dir),
            connect_timeout=int(CONNECT_TIMEOUT_S),
            allow_reconnect=False,
        )
        try:
            yield client
        finally:
            await client.close()
    except (NatsError, APIError, OSError, TimeoutError) as error:
        raise TenantError(f"The broker does not answer, run it again: {error!r}") from error


async def wait_until_heard(
    client: Client,
    sessions: Sessions,
    tenant_id: str,
    within_s: float = HEARD_WITHIN_S,
) -> None:
    """Return when no event of the tenant waits for a relay or a consumer any more: from then on
    nothing that is deleted is written again. TenantError says who does not move.
    """
    jetstream = client.jetstream(timeout=TIMEOUT_S)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    for service, session in sessions.items():
        while await session.fetchval(_UNPUBLISHED, tenant_id):
            if loop.time() > deadline:
                raise TenantError(f"{service} does not publish its events: see crm doctor")
            await asyncio.sleep(LOOK_EVERY_S)
    for stream in map(stream_name, sessions):
        last = (await jetstream.stream_info(stream)).state.last_seq
        while behind := await _behind(jetstream, stream, last):
            if loop.time() > deadline:
                raise TenantError(f"{', '.join(behind)} do not hear {stream}: see crm doctor")
            await asyncio.sleep(LOOK_EVERY_S)


async def remove_messages(client: Client, service: str, tenant_id: str) -> int:
    """Delete a tenant's messages from the stream of a service; how many.

    Such a stream refuses to be purged, so that nobody empties it by a slip: they go one by one.
    """
    jetstream, subject = client.jetstream(timeout=TIMEOUT_S), _subject(tenant_id)
    stream = stream_name(service)
    count = 0
    while await _held(jetstream, stream, subject):
        for sequences in await _sequences(jetstream, stream, subject):
            await asyncio.gather(*(_delete(client, stream, one) for one in sequences))
            count += len(sequences)
    return count


async def _delete(client: Client, stream: str, sequence: int) -> None:
    """Nobody can read the message any more; its bytes go when the broker compacts the file, for
    overwriting each at once takes twenty times as long.
    """
    asked = json.dumps({"seq": sequence, "no_erase": True}).encode()
    subject = f"$JS.API.STREAM.MSG.DELETE.{stream}"
    answer = json.loads((await client.request(subject, asked, timeout=TIMEOUT_S)).data)
    if "error" in answer:
        raise TenantError(f"{stream} keeps message {sequence}: {answer['error']['description']}")


async def purge_edge(client: Client, tenant_id: str) -> int:
    """Delete the copies of live updates, after the messages themselves; how many."""
    jetstream, subject = client.jetstream(timeout=TIMEOUT_S), _subject(tenant_id)
    count = await _held(jetstream, EDGE, subject)
    if count:
        await jetstream.purge_stream(EDGE, subject=subject)
    return count


async def _behind(jetstream: JetStreamContext, stream: str, last: int) -> list[str]:
    """The consumers that have something to hear, or to acknowledge, up to a message."""
    return [
        one.name
        for one in await jetstream.consumers_info(stream)
        if one.config.durable_name
        and (one.num_pending or one.num_ack_pending)
        and (one.ack_floor is None or one.ack_floor.stream_seq < last)
    ]


async def _held(jetstream: JetStreamContext, stream: str, subject: str) -> int:
    """How many messages a stream has on a subject."""
    state = (await jetstream.stream_info(stream, subjects_filter=subject)).state
    return sum((state.subjects or {}).values())


async def _sequences(jetstream: JetStreamContext, stream: str, subject: str) -> list[list[int]]:
    """Where up to READ messages on a subject are, in groups to be deleted at once."""
    config = api.ConsumerConfig(
        ack_policy=api.AckPolicy.NONE,
        headers_only=True,
        inactive_threshold=TIMEOUT_S,
        mem_storage=True,
        num_replicas=1,
    )
    reader = await jetstream.pull_subscribe(subject, stream=stream, config=config)
    found = await reader.fetch(READ, timeout=TIMEOUT_S)
    await reader.unsubscribe()
    places = [one.metadata.sequence.stream for one in found]
    return [places[first : first + AT_ONCE] for first in range(0, len(places), AT_ONCE)]


def _subject(tenant_id: str) -> str:
    return f"crm.{tenant_id}.>"
