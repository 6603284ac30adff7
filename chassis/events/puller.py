"""Pulls messages of one JetStream consumer, with one request at a time."""

import asyncio
from collections import deque
from contextlib import suppress

import orjson
from nats.aio.msg import Msg

from chassis.events.bus import BROKER_ERRORS, Bus

EXPIRES_S = 5.0
# Messages of one burst arrive within this time: it is worth handling them together.
LINGER_S = 0.001
PAUSE_S = 0.1
LOST_PULLS_MAX = 6


class ConsumerGoneError(Exception):
    """The consumer or its stream does not exist any more."""


class Puller:
    """The pull request of one consumer; `alive_at` is the loop's time of its last word."""

    def __init__(
        self, bus: Bus, stream: str, consumer: str, *, heartbeat_s: float | None = None
    ) -> None:
        self._bus = bus
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._heartbeat_s = heartbeat_s
        self._inbox = bus.client.new_inbox()
        self._buffer: deque[Msg] = deque()
        self._arrived = asyncio.Event()
        self._number = 0
        self._remaining = 0
        self._lost_at = 0.0
        self._lost_pulls = 0
        self._generation = -1
        self._gone = False
        self._loop = asyncio.get_running_loop()
        self.alive_at = self._loop.time()

    async def open(self) -> None:
        """Listen for messages; they come once `next` asks for them."""
        self._subscription = await self._bus.client.subscribe(f"{self._inbox}.*", cb=self._on)

    async def close(self) -> list[Msg]:
        """Stop listening; what had come and was not handed out."""
        with suppress(*BROKER_ERRORS):  # away: then the subscription is too
            await self._subscription.unsubscribe()
        rest = list(self._buffer)
        self._buffer.clear()
        return rest

    async def next(self, batch: int, timeout_s: float) -> list[Msg]:
        """At most `batch` messages as soon as there are any, none after the timeout.

        Raises ConsumerGoneError, or the broker's errors while it is away.
        """
        until = self._loop.time() + timeout_s
        while not self._buffer:
            if self._gone:
                self._gone = False
                raise ConsumerGoneError(self._next)
            now = self._loop.time()
            if now >= until:
                return []
            await self._pull(batch, now)
            await self._wait(min(until, self._lost_at) - now)
        if len(self._buffer) < batch and self._remaining > 0:
            await asyncio.sleep(LINGER_S)
        return [self._buffer.popleft() for _ in range(min(batch, len(self._buffer)))]

    async def _pull(self, batch: int, now: float) -> None:
        lost = now >= self._lost_at or self._generation != self._bus.generation
        if self._remaining > 0 and not lost:
            return
        if self._remaining > 0:
            self._lost_pulls += 1
            if self._lost_pulls >= LOST_PULLS_MAX:
                self._lost_pulls = 0
                raise ConsumerGoneError(self._next)
        request: dict[str, int] = {"batch": batch, "expires": int(EXPIRES_S * 1e9)}
        if self._heartbeat_s is not None:
            request["idle_heartbeat"] = int(self._heartbeat_s * 1e9)
        self._number += 1
        self._remaining = batch
        self._lost_at = now + EXPIRES_S + 1
        self._generation = self._bus.generation
        reply = f"{self._inbox}.{self._number}"
        await self._bus.client.publish(self._next, orjson.dumps(request), reply)

    async def _wait(self, seconds: float) -> None:
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), seconds)
        except TimeoutError:
            return

    async def _on(self, message: Msg) -> None:
        self.alive_at = self._loop.time()
        status = (message.headers or {}).get("Status")
        if status is None:
            self._remaining -= 1
            self._lost_pulls = 0
            self._buffer.append(message)
        elif message.subject.endswith(f".{self._number}"):
            await self._end(status, (message.headers or {}).get("Description", ""))
        self._arrived.set()

    async def _end(self, status: str, description: str) -> None:
        """A status message: a heartbeat, or the end of the request."""
        if status == "100":
            return
        self._lost_pulls = 0
        if status == "503" or "Consumer Deleted" in description:
            self._gone = True
        elif status != "408":
            await asyncio.sleep(PAUSE_S)
        self._remaining = 0
