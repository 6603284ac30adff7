"""One delivery of a message: what it says, how often it came, and how it is answered."""

from contextlib import suppress
from dataclasses import dataclass

from nats.aio.msg import Msg

from chassis.events.bus import BROKER_ERRORS
from chassis.events.envelope import EnvelopeError, Event, from_message
from chassis.ids import is_id


@dataclass(slots=True)
class Delivery:
    """A message with its event; `held` once it waits in memory for an earlier version."""

    message: Msg
    event: Event
    delivered: int
    held: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that is no event; the tenant is empty when not even the subject tells it."""

    message: Msg
    reason: str
    delivered: int
    tenant_id: str


def read(message: Msg) -> Delivery | Unreadable:
    """The delivery that a message is."""
    delivered = message.metadata.num_delivered
    try:
        event = from_message(message.headers, message.data)
    except EnvelopeError as error:
        tokens = message.subject.split(".")
        tenant = tokens[1] if len(tokens) > 1 and is_id(tokens[1]) else ""
        return Unreadable(message, str(error), delivered, tenant)
    return Delivery(message, event, delivered)


async def ack(message: Msg) -> None:
    """Done. A lost acknowledgement only means that it comes again, and is skipped."""
    with suppress(*BROKER_ERRORS):
        await message.ack()


async def nak(message: Msg, delay_s: float = 0.0) -> None:
    """Not done; deliver again after the delay."""
    with suppress(*BROKER_ERRORS):
        await message.nak(delay=delay_s or None)


async def keep(message: Msg) -> None:
    """Still at it: the time for the acknowledgement begins anew."""
    with suppress(*BROKER_ERRORS):
        await message.in_progress()
