"""What must be true after the load, by the books of its clients, the databases and the streams."""

import asyncio
from collections import Counter

import nats
from nats.js import JetStreamContext, api

from chassis.events.streams import stream_name
from deploy.local.settings import SERVICES
from tests.fault.drill import Site
from tests.live import Tenant
from tests.scale.load import Book

BATCH = 500


def lost_or_twice(tenant: Tenant, book: Book) -> list[str]:
    """Acknowledged records and changes that are not there once and as they were acknowledged."""
    found: list[str] = []
    customers = tenant.list("customers", page_size=1000, fields="name,etag,industry")
    deals = tenant.list("opportunities", page_size=1000, fields="name,etag,state")
    for records, told in ((customers, book.ids), (deals, book.deals)):
        names = Counter(str(one["name"]) for one in records)
        found += [f"{name} is there {times} times" for name, times in names.items() if times > 1]
        found += [f"{name} is of somebody else" for name in names.keys() - told.keys()]
        ids = {str(one["name"]): str(one["id"]) for one in records}
        found += [f"{name} is lost" for name, one in told.items() if ids.get(name) != one]
    for one in customers:
        name = str(one["name"])
        told_as = (book.versions[name], book.industries.get(name, ""))
        shown = (int(str(one["etag"]).strip('"')), one["industry"])
        if shown != told_as:
            found.append(f"{name} is {shown}, acknowledged {told_as}")
    won = {str(one["name"]) for one in deals if one["state"] == "WON"}
    return found + [f"{name} is not won once" for name in book.deals.keys() - won]


def out_of_order(site: Site, tenant: Tenant) -> list[str]:
    """Changes of the tenant that the streams do not tell once, and records whose versions they tell
    in another order.
    """
    told = asyncio.run(_streams(site.platform.nats_url(), tenant.id))
    found = [f"{one} is told {times} times" for one, times in Counter(
        event for event, _, _ in told
    ).items() if times > 1]  # fmt: skip
    query = "SELECT id FROM change WHERE tenant_id = $1"
    changes = {str(row["id"]) for name in SERVICES for row in site.rows(name, query, tenant.id)}
    found += [f"{one} is not told" for one in changes - {event for event, _, _ in told}]
    last: dict[str, int] = {}
    for _, record, version in told:
        if version != last.get(record, 0) + 1:
            found.append(f"{record}: version {version} after {last.get(record, 0)}")
        last[record] = version
    return found


async def _streams(url: str, tenant_id: str) -> list[tuple[str, str, int]]:
    """Every event of the tenant in the order of its stream: id, record, version."""
    client = await nats.connect(url)
    try:
        found = [await _stream(client.jetstream(), one, tenant_id) for one in SERVICES]
    finally:
        await client.close()
    return [one for told in found for one in told]


async def _stream(
    jetstream: JetStreamContext, service: str, tenant_id: str
) -> list[tuple[str, str, int]]:
    stream = stream_name(service)
    config = api.ConsumerConfig(filter_subject=f"crm.{tenant_id}.>", ack_policy=api.AckPolicy.NONE)
    info = await jetstream.add_consumer(stream, config)
    messages = await jetstream.pull_subscribe_bind(consumer=info.name, stream=stream)
    told: list[tuple[str, str, int]] = []
    while len(told) < (info.num_pending or 0):
        for one in await messages.fetch(BATCH, timeout=1):
            headers = one.headers or {}
            record = f"{one.subject.split('.')[4]} {headers['ce-subject']}"
            told.append((headers["ce-id"], record, int(headers["ce-recordversion"])))
    return told
