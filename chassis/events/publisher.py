"""Publishes events, many as one atomic batch (ADR-50), and says what became of each.

With `sync_interval: always` the broker syncs the disk once per message, but once per atomic batch.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nats.errors import BadHeaderError, BadSubjectError, MaxPayloadError
from nats.js.errors import APIError

from chassis.events.bus import BROKER_ERRORS, Bus
from chassis.events.envelope import Change, Message, Record
from chassis.events.streams import MESSAGE_BYTES_MAX
from chassis.ids import new_id

# A batch costs 3.5 ms, a message 0.25 ms with its sync: below this size single messages are faster.
ATOMIC_MIN = 16
ATOMIC_MAX = 500
CHUNK_BYTES_MAX = 4 * 1024 * 1024
# Errors that speak of the message itself: it is too large, or its headers are.
REFUSALS = frozenset({10054, 10097})
MALFORMED = (MaxPayloadError, BadSubjectError, BadHeaderError)
BATCH_NOT_ENABLED = 10174


@dataclass(slots=True)
class Published:
    """What is stored, also as a duplicate; what is refused for good; why the rest has failed."""

    stored: list[Change] = field(default_factory=list)
    refused: list[tuple[Message, str]] = field(default_factory=list)
    failure: str = ""


class Publisher:
    """Publishes to one stream; one user at a time."""

    def __init__(self, bus: Bus, stream: str) -> None:
        self._bus = bus
        self._stream = stream
        self._atomic = True

    async def publish(self, messages: Sequence[Message]) -> Published:
        """Publish in order; after a failure the rest is not sent, so no record's order breaks."""
        result = Published()
        for chunk in _chunks(messages):
            if not await self._publish_atomic(chunk, result):
                await self._publish_singly(chunk, result)
            if result.failure:
                break
        return result

    async def _publish_atomic(self, chunk: Sequence[Message], result: Published) -> bool:
        """False when nothing is stored and the single messages have to tell why."""
        if not self._atomic or len(chunk) < ATOMIC_MIN or any(map(self._too_large, chunk)):
            return False
        batch = {"Nats-Batch-Id": new_id(), "Nats-Expected-Stream": self._stream}
        try:
            for number, message in enumerate(chunk, 1):
                headers = {**message.headers, **batch, "Nats-Batch-Sequence": str(number)}
                if number < len(chunk):
                    publish = self._bus.client.publish
                    await publish(message.subject, message.data, headers=headers)
                else:
                    headers["Nats-Batch-Commit"] = "1"
                    await self._bus.jetstream.publish(
                        message.subject, message.data, headers=headers
                    )
        except MALFORMED:
            return False
        except APIError as error:
            # Something in it was refused, perhaps as a duplicate.
            self._atomic = error.err_code != BATCH_NOT_ENABLED
            return False
        except BROKER_ERRORS as error:
            result.failure = repr(error)
        else:
            result.stored += [message.change for message in chunk]
        return True

    async def _publish_singly(self, chunk: Sequence[Message], result: Published) -> None:
        """All records at once, the versions of each one after the other."""
        records: dict[Record, list[Message]] = {}
        for message in chunk:
            records.setdefault(message.change.record, []).append(message)
        await asyncio.gather(*(self._publish_record(each, result) for each in records.values()))

    async def _publish_record(self, messages: Sequence[Message], result: Published) -> None:
        for message in messages:
            if self._too_large(message):
                result.refused.append((message, "message exceeds the maximum size"))
                continue
            try:
                await self._bus.jetstream.publish(
                    message.subject, message.data, stream=self._stream, headers={**message.headers}
                )
            except BROKER_ERRORS as error:
                if not _speaks_of_message(error):
                    result.failure = repr(error)
                    return
                result.refused.append((message, str(error) or type(error).__name__))
            else:
                result.stored.append(message.change)

    def _too_large(self, message: Message) -> bool:
        """Beyond its limit the server would cut the connection, so the size is checked here."""
        headers = sum(len(name) + len(value) + 4 for name, value in message.headers.items())
        room = 256  # the version line and what is added here
        return room + headers + len(message.data) > MESSAGE_BYTES_MAX


def _speaks_of_message(error: Exception) -> bool:
    if isinstance(error, APIError):
        return error.err_code in REFUSALS
    return isinstance(error, MALFORMED)


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
