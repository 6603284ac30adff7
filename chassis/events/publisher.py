"""Publishes events with all acknowledgements on one inbox, many as an atomic batch (ADR-50).

With `sync_interval: always` the broker syncs the disk once per message, but once per atomic batch.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

import orjson
from nats.aio.msg import Msg
from nats.errors import BadHeaderError, BadSubjectError, MaxPayloadError

from chassis.events.bus import BROKER_ERRORS, Bus
from chassis.events.envelope import Message
from chassis.events.streams import MESSAGE_BYTES_MAX
from chassis.ids import new_id

ACK_TIMEOUT_S = 5.0
# A batch costs 3.5 ms, a message 0.25 ms with its sync: below this size single messages are faster.
ATOMIC_MIN = 16
ATOMIC_MAX = 500
CHUNK_BYTES_MAX = 4 * 1024 * 1024
# Errors that speak of the message itself: it is too large, or its headers are.
REFUSALS = frozenset({10054, 10097})
BATCH_NOT_ENABLED = 10174


class Kind(Enum):
    """How the publication of one event ended."""

    STORED = "stored"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """STORED, also as a duplicate; REFUSED for good; or FAILED for now, with a reason."""

    kind: Kind
    reason: str = ""
    code: int = 0


STORED = Outcome(Kind.STORED)


class Publisher:
    """Publishes to one stream; one user at a time."""

    def __init__(self, bus: Bus, stream: str) -> None:
        self._bus = bus
        self._stream = stream
        self._inbox = bus.client.new_inbox()
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self._next = 0
        self._atomic = True

    async def open(self) -> None:
        """Listen for acknowledgements; the connection renews this by itself."""
        self._subscription = await self._bus.client.subscribe(f"{self._inbox}.*", cb=self._on_ack)
        self._bus.when_lost.add(self._on_lost)

    async def close(self) -> None:
        """Stop listening."""
        self._bus.when_lost.discard(self._on_lost)
        with suppress(*BROKER_ERRORS):
            await self._subscription.unsubscribe()

    async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
        """Outcomes in order. After a failure the rest is not sent, so no record's order breaks."""
        outcomes: list[Outcome] = []
        for chunk in _chunks(messages):
            outcomes += await self._publish_chunk(chunk)
            if any(outcome.kind is Kind.FAILED for outcome in outcomes):
                break
        missing = len(messages) - len(outcomes)
        return outcomes + [Outcome(Kind.FAILED, "not sent")] * missing

    async def _publish_chunk(self, chunk: Sequence[Message]) -> list[Outcome]:
        if self._atomic and len(chunk) >= ATOMIC_MIN:
            outcome = await self._publish_atomic(chunk)
            if outcome.kind is Kind.STORED or not outcome.code:
                return [outcome] * len(chunk)
            # Something in it was refused, perhaps as a duplicate: the single messages tell what.
            self._atomic = outcome.code != BATCH_NOT_ENABLED
        outcomes: list[Outcome] = []
        for wave in _waves(chunk):
            if any(outcome.kind is Kind.FAILED for outcome in outcomes):
                outcomes += [Outcome(Kind.FAILED, "not sent")] * len(wave)
            else:
                outcomes += await self._publish_wave(wave)
        return outcomes

    async def _publish_wave(self, wave: Sequence[Message]) -> list[Outcome]:
        """Send all, then wait for all; each is of another record, so one failing harms no order."""
        futures = [await self._send(message, {}) for message in wave]
        return await self._collect(futures)

    async def _publish_atomic(self, chunk: Sequence[Message]) -> Outcome:
        batch = new_id()
        last = len(chunk)
        for number, message in enumerate(chunk, 1):
            headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            if number < last:
                refused = await self._put(message, headers, "")
                if refused is not None:
                    return refused
        headers = {
            "Nats-Batch-Id": batch,
            "Nats-Batch-Sequence": str(last),
            "Nats-Batch-Commit": "1",
        }
        return (await self._collect([await self._send(chunk[-1], headers)]))[0]

    async def _send(self, message: Message, extra: dict[str, str]) -> asyncio.Future[Outcome]:
        self._next += 1
        token = str(self._next)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[token] = future
        failed = await self._put(message, extra, f"{self._inbox}.{token}")
        if failed is not None and not future.done():
            self._waiting.pop(token, None)
            future.set_result(failed)
        return future

    async def _put(self, message: Message, extra: dict[str, str], reply: str) -> Outcome | None:
        """Write one message to the connection; an outcome only when it could not be written."""
        headers = {**message.headers, "Nats-Expected-Stream": self._stream, **extra}
        # Beyond its limit the server would cut the connection, so the size is checked here.
        if _size(headers, message.data) > MESSAGE_BYTES_MAX:
            return Outcome(Kind.REFUSED, "message exceeds the maximum size", 10054)
        try:
            await self._bus.client.publish(message.subject, message.data, reply, headers)
        except (MaxPayloadError, BadSubjectError, BadHeaderError) as error:
            return Outcome(Kind.REFUSED, str(error) or type(error).__name__, 400)
        except BROKER_ERRORS as error:
            return Outcome(Kind.FAILED, str(error) or type(error).__name__)
        return None

    async def _collect(self, futures: list[asyncio.Future[Outcome]]) -> list[Outcome]:
        done, late = await asyncio.wait(futures, timeout=ACK_TIMEOUT_S)
        for future in late:
            future.cancel()
        if late:
            self._waiting = {k: f for k, f in self._waiting.items() if not f.done()}
        unanswered = Outcome(Kind.FAILED, "no acknowledgement in time")
        return [future.result() if future in done else unanswered for future in futures]

    def _on_lost(self) -> None:
        """No acknowledgement comes on a connection that is gone."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_result(Outcome(Kind.FAILED, "connection lost"))

    async def _on_ack(self, message: Msg) -> None:
        future = self._waiting.pop(message.subject.rpartition(".")[2], None)
        if future is not None and not future.done():
            future.set_result(_outcome(message))


def _outcome(message: Msg) -> Outcome:
    if (message.headers or {}).get("Status") == "503":
        return Outcome(Kind.FAILED, "nobody stores this subject")
    answer = orjson.loads(message.data)
    error = answer.get("error")
    if error is None:
        return STORED
    code = int(error.get("err_code", 0))
    kind = Kind.REFUSED if code in REFUSALS else Kind.FAILED
    return Outcome(kind, str(error.get("description", "")), code)


def _size(headers: dict[str, str], data: bytes) -> int:
    return 12 + sum(len(name) + len(value) + 4 for name, value in headers.items()) + len(data)


def _chunks(messages: Sequence[Message]) -> Iterator[list[Message]]:
    chunk: list[Message] = []
    size = 0
    for message in messages:
        if chunk and (len(chunk) == ATOMIC_MAX or size + len(message.data) > CHUNK_BYTES_MAX):
            yield chunk
            chunk, size = [], 0
        chunk.append(message)
        size += len(message.data)
    if chunk:
        yield chunk


def _waves(chunk: Sequence[Message]) -> Iterator[list[Message]]:
    """Cut where a record comes again: its next version waits for this one's acknowledgement."""
    wave: list[Message] = []
    records: set[tuple[str, str, str]] = set()
    for message in chunk:
        if message.record in records:
            yield wave
            wave, records = [], set()
        wave.append(message)
        records.add(message.record)
    if wave:
        yield wave
