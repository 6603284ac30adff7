"""Follows a JetStream stream from now on, with proof that the server still talks to us.

An ephemeral push consumer is told to send a heartbeat every second: what arrives, message or
heartbeat, is the proof. Consumer sequences show a gap, and the tail then starts again where it was.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError

HEARTBEAT_S = 1.0
SILENCE_MAX_S = 3.0
RESTART_S = 1.0
_STATUS_KEY = "Status"
_LAST_CONSUMER_KEY = "Nats-Last-Consumer"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message of the stream with its stream sequence."""

    sequence: int
    subject: str
    headers: dict[str, str]
    data: bytes


class _Gap(Exception):
    """The consumer is gone, silent or has skipped messages."""


class Tail:
    """Calls `handle` with every message in order.

    `lost` is called with the sequence to go on from, at the start and when messages were missed.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        handle: Callable[[Delivery], None],
        lost: Callable[[int], None],
    ) -> None:
        self._client = client
        self._context: JetStreamContext = client.jetstream(timeout=2)
        self._stream = stream
        self._handle = handle
        self._lost = lost
        self._proved_at = float("-inf")
        self._next = 0

    @property
    def silent_for_s(self) -> float:
        """Seconds since the server last proved to be talking to us."""
        return time.monotonic() - self._proved_at

    async def run(self) -> None:
        """Follow until cancelled, whatever happens to the server."""
        while True:
            try:
                await self._follow()
            except (_Gap, JetStreamError, nats.errors.Error, OSError) as error:
                log.info("tail restarts", stream=self._stream, cause=type(error).__name__)
            await asyncio.sleep(RESTART_S)

    async def _follow(self) -> None:
        await self._place()
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        config = ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._next,
            ack_policy=AckPolicy.NONE,
            idle_heartbeat=HEARTBEAT_S,
            inactive_threshold=30.0,
            mem_storage=True,
            num_replicas=1,
        )
        try:
            await self._context.add_consumer(self._stream, config)
            self._proved_at = time.monotonic()
            expected = 1
            while True:
                message = await _next(subscription)
                expected = self._take(message, expected)
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _place(self) -> None:
        """Decide where to start: now, or where we were unless the stream has forgotten that."""
        state = (await self._context.stream_info(self._stream)).state
        first = self._next == 0
        kept = state.first_seq <= self._next <= state.last_seq + 1
        if first or not kept:
            self._next = state.last_seq + 1
            self._lost(self._next)

    def _take(self, message: Msg, expected: int) -> int:
        """Handle a message or a heartbeat; the consumer sequence that has to come next."""
        headers = message.headers or {}
        if _STATUS_KEY in headers:
            last = headers.get(_LAST_CONSUMER_KEY, "")
            if last.isdecimal() and int(last) >= expected:
                raise _Gap
            self._proved_at = time.monotonic()
            return expected
        sequence = message.metadata.sequence
        if sequence.consumer != expected:
            raise _Gap
        self._proved_at = time.monotonic()
        self._handle(Delivery(sequence.stream, message.subject, headers, message.data))
        self._next = sequence.stream + 1
        return expected + 1


async def _next(subscription: Subscription) -> Msg:
    try:
        message: Msg = await subscription.next_msg(timeout=SILENCE_MAX_S)
    except nats.errors.TimeoutError:
        raise _Gap from None
    return message
