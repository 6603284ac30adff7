"""The live events of all tenants as they come from the EDGE stream, kept a while to resume from."""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice

import orjson

from chassis.access.place import COMPANY, OWNED, grantees_in
from chassis.errors import ResourceExhausted
from chassis.events.feed import Told
from chassis.events.streams import EDGE_MESSAGES_MAX
from services.gateway.contracts import Resource, load_contracts

STREAM = "EDGE"
RING_EVENTS = EDGE_MESSAGES_MAX
QUEUE_EVENTS = 256
STREAMS_PER_TENANT = 1000
_SUBJECT_PARTS = 6


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One change as subscribers get to know it, with the columns that decide who does."""

    sequence: int
    tenant_id: str
    resource: str
    id: str
    version: int
    name: str
    time: str
    owner_id: str
    department_id: str
    # None: the company that the department lies in.
    company_id: str | None
    grantee_ids: frozenset[str] = frozenset()

    def frame(self) -> bytes:
        """The event in the form of Server-Sent Events."""
        data = {
            "resource": self.resource,
            "id": self.id,
            "version": self.version,
            "event": self.name,
            "time": self.time,
        }
        head = f"id: {self.sequence}\nevent: {self.resource}.{self.name}\ndata: "
        return head.encode() + orjson.dumps(data) + b"\n\n"


class Subscription:
    """The events of one tenant for one client, who is given up when he is too slow."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[LiveEvent | None] = asyncio.Queue(QUEUE_EVENTS)
        self.ended = False
        self.reset = False

    def offer(self, event: LiveEvent) -> None:
        """Queue an event, or give the client up."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.ended = True

    def end(self) -> None:
        """End the stream at once."""
        self.ended = True
        self._wake()

    def start_over(self) -> None:
        """Tell the client to read everything again."""
        self.reset = True
        self._wake()

    async def next(self, timeout_s: float) -> LiveEvent | None:
        """The next event, or None after the timeout or when something else is to be told."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._queue.get()
        except TimeoutError:
            return None

    def _wake(self) -> None:
        if not self._queue.full():
            self._queue.put_nowait(None)


class Ring:
    """A bounded ring of the latest events, and whoever listens."""

    def __init__(self) -> None:
        self._ring: deque[LiveEvent] = deque(maxlen=RING_EVENTS)
        self._listeners: dict[str, set[Subscription]] = {}
        self._complete_from = 0
        self.last_sequence = 0

    def handle(self, told: Told) -> None:
        """Take a message of the stream."""
        self.last_sequence = told.sequence
        event = event_of(told)
        if event is None:
            return
        if len(self._ring) == RING_EVENTS:
            self._complete_from = self._ring[0].sequence + 1
        self._ring.append(event)
        for subscription in self._listeners.get(event.tenant_id, ()):
            subscription.offer(event)

    def lost(self, next_sequence: int) -> None:
        """Begin, or begin again after events were missed: nobody can resume from before here."""
        self._ring.clear()
        self._complete_from = next_sequence
        self.last_sequence = next_sequence - 1
        for subscription in self._everyone():
            subscription.start_over()

    def end_all(self) -> None:
        """End all streams."""
        for subscription in self._everyone():
            subscription.end()

    def since(self, sequence: int, tenant_id: str) -> list[LiveEvent] | None:
        """The tenant's events after a sequence; None when the ring does not reach back to it."""
        if not self._complete_from or not self._complete_from - 1 <= sequence <= self.last_sequence:
            return None
        start = bisect_right(self._ring, sequence, key=lambda event: event.sequence)
        return [event for event in islice(self._ring, start, None) if event.tenant_id == tenant_id]

    def check_room(self, tenant_id: str) -> None:
        """ResourceExhausted when the tenant has 1000 streams open."""
        if len(self._listeners.get(tenant_id, ())) >= STREAMS_PER_TENANT:
            raise ResourceExhausted(
                "STREAMS_EXHAUSTED",
                "Too many live streams are open.",
                metadata={"limit": str(STREAMS_PER_TENANT)},
            )

    @contextmanager
    def subscription(self, tenant_id: str) -> Iterator[Subscription]:
        """Listen to a tenant."""
        subscription = Subscription()
        self._listeners.setdefault(tenant_id, set()).add(subscription)
        try:
            yield subscription
        finally:
            left = self._listeners[tenant_id]
            left.discard(subscription)
            if not left:
                del self._listeners[tenant_id]

    def _everyone(self) -> list[Subscription]:
        return [one for listeners in self._listeners.values() for one in listeners]


def event_of(told: Told) -> LiveEvent | None:
    """The event in a message (crm.<tenant>.<service>.<pp>.<resource>.<event>), None for others."""
    parts = told.subject.split(".")
    if len(parts) != _SUBJECT_PARTS:
        return None
    try:
        data = orjson.loads(told.data)
    except orjson.JSONDecodeError:
        return None
    record_id = told.headers.get("ce-subject", "")
    if not isinstance(data, Mapping) or not record_id:
        return None
    version = told.headers.get("ce-recordversion", "")
    known = _resources().get(parts[4])
    place, company = (known.place, known.company) if known else (OWNED, COMPANY)
    return LiveEvent(
        sequence=told.sequence,
        tenant_id=parts[1],
        resource=parts[4],
        id=record_id,
        version=int(version) if version.isdecimal() else 0,
        name=parts[5],
        time=told.headers.get("ce-time", ""),
        owner_id=_text(data, place.owner),
        department_id=_text(data, place.department),
        company_id=_text(data, company) if company else None,
        grantee_ids=grantees_in(data),
    )


@cache
def _resources() -> Mapping[str, Resource]:
    """The resources by their name in subjects."""
    return {one.singular: one for one in load_contracts().resources.values()}


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
