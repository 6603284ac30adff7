"""One delivery of a message: what it says, how often it came, and how it is answered."""

from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

import orjson
from nats.aio.msg import Msg

from chassis.events.bus import BROKER_ERRORS
from chassis.events.envelope import EnvelopeError, Event, from_message
from chassis.ids import is_id

# Less than half of what a consumer waits for an acknowledgement.
KEEP_EVERY_S = 2.0
NO_RECORD = "00000000-0000-0000-0000-000000000000"


@dataclass(slots=True)
class Delivery:
    """A message with its event; `held` once it waits in memory for an earlier version.

    With `unreadable`, the reason, the event is only what can be kept of it; its tenant is empty
    when not even the subject tells it.
    """

    message: Msg
    event: Event
    delivered: int
    unreadable: str = ""
    held: bool = False

    async def ack(self) -> None:
        """Done. A lost acknowledgement only means that it comes again, and is skipped."""
        with suppress(*BROKER_ERRORS):
            await self.message.ack()

    async def nak(self, delay_s: float = 0.0) -> None:
        """Not done; deliver again after the delay."""
        with suppress(*BROKER_ERRORS):
            await self.message.nak(delay=delay_s or None)

    async def keep(self) -> None:
        """Still at it: the time for the acknowledgement begins anew."""
        with suppress(*BROKER_ERRORS):
            await self.message.in_progress()


async def keep_all(deliveries: Iterable[Delivery]) -> None:
    """Still at all of them; what is acknowledged by now stays so."""
    for delivery in deliveries:
        await delivery.keep()


def read(message: Msg) -> Delivery:
    """The delivery that a message is."""
    delivered = message.metadata.num_delivered
    try:
        return Delivery(message, from_message(message.headers, message.data), delivered)
    except EnvelopeError as error:
        return Delivery(message, _remains(message), delivered, f"unreadable: {error}")


def nak_delay_s(delivered: int) -> float:
    """How long a failed message rests after its nth delivery: 0.25 s, doubled up to 30 s."""
    return float(min(30.0, 0.25 * 2 ** min(max(delivered - 1, 0), 10)))


def _remains(message: Msg) -> Event:
    """What can be kept of a message that is no event."""
    headers = message.headers or {}
    tokens = [*message.subject.split("."), *[""] * 6]
    try:
        data = orjson.loads(message.data)
    except orjson.JSONDecodeError:
        data = {"base64": b64encode(message.data).decode()}
    stated = headers.get("ce-id", "")
    place = f"{message.metadata.stream}/{message.metadata.sequence.stream}"
    return Event(
        id=stated if is_id(stated) else str(uuid5(NAMESPACE_URL, place)),
        tenant_id=tokens[1] if is_id(tokens[1]) else "",
        service=tokens[2],
        resource=tokens[4],
        name=tokens[5],
        record_id=NO_RECORD,
        version=0,
        time=datetime.now(UTC),
        actor_id="",
        through="",
        cause_id="",
        data=data,
        headers=headers,
    )
