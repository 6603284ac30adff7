"""Server-Sent Events (WHATWG HTML 9.2): what changed, as far as the caller may know."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import grpc
import structlog
from nats.aio.subscription import Subscription as NatsSubscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from starlette.responses import Response, StreamingResponse

from chassis.codec import invalid_fields
from chassis.errors import CrmError, Unavailable
from chassis.events.bus import BROKER_ERRORS, Bus
from chassis.events.feed import Told
from services.gateway.contracts import Contracts, Resource
from services.gateway.exchange import Caller, Exchange
from services.gateway.query import single
from services.gateway.release import TOLD
from services.gateway.ring import STREAM, LiveEvent, Ring, Subscription, event_of
from services.gateway.routing import Endpoint
from services.gateway.tokens import Tokens
from services.gateway.visibility import Visibility, viewer_of

HEARTBEAT_S = 15.0
# How often a stream asks whether its token still holds: a revocation ends it within 5 seconds.
RECHECK_S = 4.0
RETRY_MS = 2000
BACKLOG_EVENTS = 10_000
BACKLOG_TIMEOUT_S = 5.0
_SEQUENCE_DIGITS_MAX = 18
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_RETRY = f"retry: {RETRY_MS}\n\n".encode()
_OPENING = f"retry: {RETRY_MS}\n".encode() + TOLD + b"\n"
_HEARTBEAT = b": still here\n\n"

log = structlog.get_logger()


class Live:
    """The route GET /v1/events."""

    def __init__(
        self,
        contracts: Contracts,
        ring: Ring,
        tokens: Tokens,
        visibility: Visibility,
        bus: Bus,
    ) -> None:
        self._resources: Mapping[str, Resource] = {
            found.singular: found for found in contracts.resources.values()
        }
        self._ring = ring
        self._tokens = tokens
        self._visibility = visibility
        self._backlog = Backlog(bus)
        self._draining = False

    def endpoints(self) -> list[Endpoint]:
        """What the router is told."""
        return [Endpoint("GET", "/v1/events", self.stream, streams=True)]

    def drain(self) -> None:
        """End all streams and begin no more, so that the server can stop."""
        self._draining = True
        self._ring.end_all()

    async def stream(self, exchange: Exchange) -> Response:
        """Follow the changes, from the event after Last-Event-ID if it is given."""
        query = single(exchange.request.scope["query_string"], {"last_event_id"})
        position = exchange.header("last-event-id") or query.get("last_event_id", "")
        if position and (not position.isdecimal() or len(position) > _SEQUENCE_DIGITS_MAX):
            raise invalid_fields([("last_event_id", "must be an integer")])
        if self._draining:
            raise Unavailable("UNAVAILABLE", "This server is stopping.")
        self._ring.check_room(exchange.signed_in.tenant_id)
        frames = self._frames(exchange, int(position) if position else None)
        return StreamingResponse(frames, media_type="text/event-stream", headers=_HEADERS)

    async def visible(self, caller: Caller, event: LiveEvent) -> bool:
        """Whether the caller's grants let him know of the event; the one place that decides it."""
        resource = self._resources.get(event.resource)
        if resource is None or event.tenant_id != caller.tenant_id:
            return False
        return await self._visibility.covers(viewer_of(caller), resource, event)

    async def _frames(self, exchange: Exchange, position: int | None) -> AsyncIterator[bytes]:
        yield _OPENING
        with self._ring.subscription(exchange.signed_in.tenant_id) as subscription:
            try:
                async for frame in self._changes(exchange, subscription, position):
                    yield frame
            except (CrmError, grpc.aio.AioRpcError) as error:
                # Signed out, or identity is away: to ask again is what the client does next.
                log.info("live stream ends", cause=type(error).__name__)
        yield _RETRY

    async def _changes(
        self, exchange: Exchange, subscription: Subscription, position: int | None
    ) -> AsyncIterator[bytes]:
        last = self._ring.last_sequence
        if position is not None:
            async for frame in self._missed(exchange.signed_in, position, last):
                yield frame
        async for frame in self._following(exchange, subscription, last):
            yield frame

    async def _missed(self, caller: Caller, position: int, last: int) -> AsyncIterator[bytes]:
        """Frames of the events between the client's position and now, or a reset."""
        events = self._ring.since(position, caller.tenant_id)
        if events is None:
            events = await self._backlog.read(caller.tenant_id, position)
        if events is None:
            yield _reset(last)
            return
        for event in events:
            if event.sequence <= last and await self.visible(caller, event):
                yield event.frame()

    async def _following(
        self, exchange: Exchange, subscription: Subscription, last: int
    ) -> AsyncIterator[bytes]:
        """Frames of the events from now on, with a heartbeat when nothing else is sent."""
        clock = asyncio.get_running_loop().time
        caller, check_at, beat_at = exchange.signed_in, clock() + RECHECK_S, clock() + HEARTBEAT_S
        while not subscription.ended:
            event = await subscription.next(max(0.0, min(check_at, beat_at) - clock()))
            frame = b""
            if clock() >= check_at:
                caller = await self._tokens.caller(exchange.bearer)
                check_at = clock() + RECHECK_S
            if subscription.reset:
                subscription.reset = False
                last = self._ring.last_sequence
                frame = _reset(last)
            elif event is not None and event.sequence > last and await self.visible(caller, event):
                frame = event.frame()
            elif clock() >= beat_at:
                frame = _HEARTBEAT
            if frame:
                beat_at = clock() + HEARTBEAT_S
                yield frame


class Backlog:
    """Events that have left the ring but not the stream."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def read(self, tenant_id: str, position: int) -> list[LiveEvent] | None:
        """The tenant's events after a position; None when they are gone or too many."""
        try:
            async with asyncio.timeout(BACKLOG_TIMEOUT_S):
                return await self._read(tenant_id, position)
        except BROKER_ERRORS as error:
            log.info("backlog not read", cause=type(error).__name__)
            return None

    async def _read(self, tenant_id: str, position: int) -> list[LiveEvent] | None:
        state = (await self._bus.jetstream.stream_info(STREAM)).state
        if not state.first_seq - 1 <= position <= state.last_seq:
            return None
        inbox = self._bus.client.new_inbox()
        messages = await self._bus.client.subscribe(inbox)
        try:
            info = await self._bus.jetstream.add_consumer(
                STREAM, _config(inbox, tenant_id, position)
            )
            if (info.num_pending or 0) > BACKLOG_EVENTS:
                return None
            found = [await _told(messages) for _ in range(info.num_pending or 0)]
        finally:
            await messages.unsubscribe()
        return [event for told in found if (event := event_of(told)) is not None]


def _config(inbox: str, tenant_id: str, position: int) -> ConsumerConfig:
    return ConsumerConfig(
        deliver_subject=inbox,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=position + 1,
        filter_subject=f"crm.{tenant_id}.>",
        ack_policy=AckPolicy.NONE,
        inactive_threshold=10.0,
        mem_storage=True,
        num_replicas=1,
    )


async def _told(messages: NatsSubscription) -> Told:
    message = await messages.next_msg(timeout=BACKLOG_TIMEOUT_S)
    headers = message.headers or {}
    return Told(message.metadata.sequence.stream, message.subject, headers, message.data)


def _reset(last: int) -> bytes:
    """Tells the client that events are missing and everything has to be read again."""
    return f"id: {last}\nevent: reset\ndata: {{}}\n\n".encode()
