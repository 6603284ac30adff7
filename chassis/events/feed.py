"""A feed: what happens from now on, told to every process, with proof that it is alive."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from nats.js import api
from nats.js.errors import NotFoundError

from chassis.events.bus import BROKER_ERRORS, Bus
from chassis.events.envelope import EnvelopeError, Event, from_message
from chassis.events.puller import ConsumerGoneError, Puller
from chassis.ids import new_id

BATCH_MAX = 256
PULL_TIMEOUT_S = 5.0
HEARTBEAT_S = 1.0
INACTIVE_S = 30.0
RETRY_S = 0.5
NEVER = float("inf")

log = structlog.get_logger()


class Feed:
    """Calls `on_event` for every new event on the subjects of one stream; start `run` as a task.

    `on_gap` is called whenever events may have been missed, at the start too, after the feed is
    connected: whoever keeps something current by it reads anew then.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        subjects: Sequence[str],
        on_event: Callable[[Event], Awaitable[None]],
        on_gap: Callable[[], Awaitable[None]],
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._subjects = list(subjects)
        self._on_event = on_event
        self._on_gap = on_gap
        self._puller: Puller | None = None

    @property
    def silent_for_s(self) -> float:
        """Seconds since the last sign of life (one comes each second); infinite without a feed."""
        if self._puller is None or not self._bus.connected:
            return NEVER
        return asyncio.get_running_loop().time() - self._puller.alive_at

    async def run(self) -> None:
        """Feed until cancelled."""
        while True:
            try:
                await self._session()
            except (ConsumerGoneError, NotFoundError, *BROKER_ERRORS) as error:
                log.info("feed interrupted", stream=self._stream, error=repr(error))
            except Exception:  # a callback failed: what it has missed, the next gap tells it
                log.exception("feed callback failed", stream=self._stream)
            await asyncio.sleep(RETRY_S)

    async def _session(self) -> None:
        """One consumer's life: it ends with the connection, for messages may be lost with that."""
        generation = self._bus.generation
        name = f"feed-{new_id()}"
        await self._bus.jetstream.add_consumer(self._stream, self._config(name))
        puller = Puller(self._bus, self._stream, name, heartbeat_s=HEARTBEAT_S)
        await puller.open()
        try:
            await self._on_gap()
            self._puller = puller
            while self._bus.generation == generation and self._bus.connected:
                for message in await puller.next(BATCH_MAX, PULL_TIMEOUT_S):
                    await self._tell(message.headers, message.data)
        finally:
            self._puller = None
            await puller.close()

    async def _tell(self, headers: dict[str, str] | None, data: bytes) -> None:
        try:
            event = from_message(headers, data)
        except EnvelopeError as error:
            log.warning("unreadable message in a feed", stream=self._stream, error=str(error))
            return
        await self._on_event(event)

    def _config(self, name: str) -> api.ConsumerConfig:
        return api.ConsumerConfig(
            name=name,
            deliver_policy=api.DeliverPolicy.NEW,
            ack_policy=api.AckPolicy.NONE,
            filter_subjects=self._subjects,
            inactive_threshold=INACTIVE_S,
            mem_storage=True,
            num_replicas=1,
        )
