"""Reading a stream back in tests."""

from nats.js import api

from chassis.events.envelope import from_message
from chassis.events.streams import stream_name
from tests.integration.chassis.events.ground import SERVICE, Ground


async def published(ground: Ground) -> list[tuple[str, str, int]]:
    """(event id, record id, version) of everything in the stream, in its order."""
    config = api.ConsumerConfig(ack_policy=api.AckPolicy.NONE)
    found: list[tuple[str, str, int]] = []
    count = await ground.stream_messages()
    subscription = await ground.bus.jetstream.subscribe(
        "crm.>", stream=stream_name(SERVICE), config=config
    )
    for _ in range(count):
        message = await subscription.next_msg(timeout=5)
        event = from_message(message.headers, message.data)
        found.append((event.id, event.record_id, event.version))
    await subscription.unsubscribe()
    return found


async def all_out(ground: Ground) -> bool:
    """Whether nothing waits to be published."""
    return await ground.unpublished() == 0
