"""A feed: what happens from now on, told to every process, with proof that it is alive.

An ephemeral push consumer is told to send a heartbeat every second: what arrives, message or
heartbeat, is the proof. Consumer sequences show a gap, and the feed then goes on where it was.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from nats.aio.msg import Msg
from nats.js import api

from chassis.events.bus import BROKER_ERRORS, Bus

HEARTBEAT_S = 1.0
SILENCE_MAX_S = 3.0
INACTIVE_S = 30.0
RETRY_S = 0.5
NEVER = float("inf")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """One message of the stream with its stream sequence."""

    sequence: int
    subject: str
    headers: dict[str, str]
    data: bytes


class _GapError(Exception):
    """The consumer is gone, silent or has skipped messages."""


class Feed:
    """Calls `on_message` with every message of one stream in order; start `run` as a task.

    `on_gap` is called with the sequence to go on from whenever messages were missed, at the start
    too: whoever keeps something current by the feed reads anew then.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        on_message: Callable[[Told], None],
        on_gap: Callable[[int], None],
        subjects: Sequence[str] = (),
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._on_message = on_message
        self._on_gap = on_gap
        self._subjects = list(subjects)
        self._alive_at = -NEVER
        self._next = 0

    @property
    def silent_for_s(self) -> float:
        """Seconds since the last sign of life (one comes each second); infinite without a feed."""
        if not self._bus.connected:
            return NEVER
        return asyncio.get_running_loop().time() - self._alive_at

    async def run(self) -> None:
        """Feed until cancelled, whatever happens to the broker."""
        while True:
            try:
                await self._follow()
            except (_GapError, *BROKER_ERRORS) as error:
                log.info("feed interrupted", stream=self._stream, error=error)
            except Exception:  # a callback failed: what it has missed, the next gap tells it
                log.exception("feed callback failed", stream=self._stream)
                self._next = 0
            self._alive_at = -NEVER
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        """One consumer's life: it ends with the connection, for messages may be lost with that."""
        generation = self._bus.generation
        inbox = self._bus.client.new_inbox()
        messages = await self._bus.client.subscribe(inbox)
        try:
            await self._place()
            await self._bus.jetstream.add_consumer(self._stream, self._config(inbox))
            self._alive_at = asyncio.get_running_loop().time()
            expected = 1
            while self._bus.generation == generation:
                message = await messages.next_msg(timeout=SILENCE_MAX_S)
                expected = self._take(message, expected)
        finally:
            with suppress(*BROKER_ERRORS):
                await messages.unsubscribe()

    async def _place(self) -> None:
        """Decide where to start: now, or where we were unless the stream has forgotten that."""
        state = (await self._bus.jetstream.stream_info(self._stream)).state
        kept = state.first_seq <= self._next <= state.last_seq + 1
        if self._next == 0 or not kept:
            self._next = state.last_seq + 1
            self._on_gap(self._next)

    def _take(self, message: Msg, expected: int) -> int:
        """Tell a message, or note a heartbeat; the consumer sequence that has to come next."""
        headers = message.headers or {}
        if "Status" in headers:
            last = headers.get("Nats-Last-Consumer", "")
            if last.isdecimal() and int(last) >= expected:
                raise _GapError
            self._alive_at = asyncio.get_running_loop().time()
            return expected
        sequence = message.metadata.sequence
        if sequence.consumer != expected:
            raise _GapError
        self._alive_at = asyncio.get_running_loop().time()
        self._on_message(Told(sequence.stream, message.subject, headers, message.data))
        self._next = sequence.stream + 1
        return expected + 1

    def _config(self, inbox: str) -> api.ConsumerConfig:
        return api.ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._next,
            filter_subjects=self._subjects or None,
            ack_policy=api.AckPolicy.NONE,
            idle_heartbeat=HEARTBEAT_S,
            inactive_threshold=INACTIVE_S,
            mem_storage=True,
            num_replicas=1,
        )
