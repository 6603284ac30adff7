"""Consumers as declared: what they hear, in which order, what they do; compared at start."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import structlog
from nats.js import api
from nats.js.errors import NotFoundError

from chassis.db.pool import Tx
from chassis.events.bus import Bus
from chassis.events.envelope import Event
from chassis.events.streams import settle, stream_name

# What a process that died had taken comes again after so long; one that works says so meanwhile.
ACK_WAIT_S = 6.0
ACKS_PENDING_MAX = 256
GAP_WAIT_S = 10.0

Handler: TypeAlias = Callable[[Tx, Sequence[Event]], Awaitable[None]]
log = structlog.get_logger()


class Mode(Enum):
    """NEWEST: any order, the handler keeps what is newer. ORDERED: each version in turn."""

    NEWEST = "newest"
    ORDERED = "ordered"


@dataclass(frozen=True, slots=True)
class Source:
    """Events of one service: all, or those of some resources (in the singular) and names.

    An ordered consumer names no events: it must see every version.
    """

    service: str
    resources: tuple[str, ...] = ()
    events: tuple[str, ...] = ()

    def subjects(self) -> list[str]:
        """The subject filters of it."""
        return [
            f"crm.*.{self.service}.*.{resource}.{event}"
            for resource in self.resources or ("*",)
            for event in self.events or ("*",)
        ]


@dataclass(frozen=True)
class Consumer:
    """A durable consumer `<consumer>-<purpose>`; its handler runs in the transaction of one tenant.

    The handler gets fresh events only, in ordered mode each record's versions one after the other.
    When it raises, the events are tried one by one; what fails eight times is parked.
    """

    name: str
    sources: tuple[Source, ...]
    handler: Handler
    mode: Mode = Mode.NEWEST
    gap_wait_s: float = GAP_WAIT_S
    ack_wait_s: float = ACK_WAIT_S
    acks_pending_max: int = ACKS_PENDING_MAX

    def __post_init__(self) -> None:
        if self.mode is Mode.ORDERED and any(source.events for source in self.sources):
            raise ValueError(f"{self.name}: an ordered consumer hears all events of its resources")

    def config(self, source: Source) -> api.ConsumerConfig:
        """Its durable on one stream."""
        return api.ConsumerConfig(
            durable_name=self.name,
            deliver_policy=api.DeliverPolicy.ALL,
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=self.ack_wait_s,
            max_deliver=-1,
            max_ack_pending=self.acks_pending_max,
            filter_subjects=source.subjects(),
        )


async def ensure_consumer(bus: Bus, consumer: Consumer, source: Source) -> int:
    """Create or update the durable; how many of its messages are out for the second time or more.

    Raises NotFoundError without the stream, DriftError when the durable cannot be changed.
    """
    stream, declared = stream_name(source.service), consumer.config(source)
    try:
        info = await bus.jetstream.consumer_info(stream, consumer.name)
    except NotFoundError:
        await bus.jetstream.add_consumer(stream, declared)
        log.info("consumer created", consumer=consumer.name, stream=stream)
        return 0
    await settle(
        f"consumer {consumer.name} on {stream}",
        declared,
        info.config,
        lambda config: bus.jetstream.add_consumer(stream, config),
    )
    return info.num_redelivered or 0
