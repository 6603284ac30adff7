"""The streams, declared: one per service, one that joins them all; compared at start."""

from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from typing import TypeVar

import structlog
from nats.js import api
from nats.js.errors import APIError, NotFoundError

from chassis.events.bus import Bus

EDGE = "EDGE"
DAY_S = 86400.0
STREAM_AGE_MAX_S = 14 * DAY_S
EDGE_AGE_MAX_S = 3600.0
EDGE_MESSAGES_MAX = 10_000
DUPLICATE_WINDOW_S = 600.0
MESSAGE_BYTES_MAX = 262144
STREAM_BYTES_MAX = 512 * 1024 * 1024
EDGE_BYTES_MAX = 256 * 1024 * 1024

Config = TypeVar("Config", api.StreamConfig, api.ConsumerConfig)
log = structlog.get_logger()


class DriftError(Exception):
    """The broker holds another configuration than we declare, and it cannot be changed in place."""

    @property
    def reason(self) -> str:
        """What differs."""
        return str(self)


def stream_name(service: str) -> str:
    """The stream of a service, for example CRM_SALES."""
    return f"CRM_{service.upper()}"


def stream_config(service: str, replicas: int = 1) -> api.StreamConfig:
    """A service's stream: full means refuse, so that the outbox holds what has no room."""
    return api.StreamConfig(
        name=stream_name(service),
        subjects=[f"crm.*.{service}.>"],
        storage=api.StorageType.FILE,
        retention=api.RetentionPolicy.LIMITS,
        discard=api.DiscardPolicy.NEW,
        max_age=STREAM_AGE_MAX_S,
        max_bytes=STREAM_BYTES_MAX,
        max_msg_size=MESSAGE_BYTES_MAX,
        duplicate_window=DUPLICATE_WINDOW_S,
        allow_direct=False,
        deny_delete=False,
        deny_purge=True,
        allow_atomic=True,
        num_replicas=replicas,
        compression=api.StoreCompression.S2,
    )


def edge_config(services: tuple[str, ...], replicas: int = 1) -> api.StreamConfig:
    """The stream that sources all services' streams for an hour.

    It only copies: where one broker keeps it alone, it is written without waiting for the disk. In
    memory it would source all history again after a restart. A broker that was killed looks through
    it for how far it has copied, so it holds no more than what live updates resume from.
    """
    return api.StreamConfig(
        name=EDGE,
        sources=[api.StreamSource(name=stream_name(service)) for service in sorted(services)],
        storage=api.StorageType.FILE,
        retention=api.RetentionPolicy.LIMITS,
        discard=api.DiscardPolicy.OLD,
        max_age=EDGE_AGE_MAX_S,
        max_bytes=EDGE_BYTES_MAX,
        max_msgs=EDGE_MESSAGES_MAX,
        num_replicas=replicas,
        persist_mode=api.PersistMode.ASYNC if replicas == 1 else None,
    )


async def has_streams(bus: Bus, services: tuple[str, ...]) -> bool:
    """Whether the streams of all these services are there."""
    try:
        for service in services:
            await bus.jetstream.stream_info(stream_name(service))
    except NotFoundError:
        return False
    return True


async def ensure_stream(
    bus: Bus, declared: api.StreamConfig, before: Callable[[], Awaitable[None]] | None = None
) -> bool:
    """Create a stream, after `before`, or update it; True when it is new.

    DriftError when it cannot be changed.
    """
    name = str(declared.name)
    try:
        info = await bus.jetstream.stream_info(name)
    except NotFoundError:
        if before is not None:
            await before()
        await bus.jetstream.add_stream(declared)
        log.info("stream created", stream=name)
        return True
    await settle(f"stream {name}", declared, info.config, bus.jetstream.update_stream)
    return False


async def settle(
    name: str, declared: Config, found: Config, change: Callable[[Config], Awaitable[object]]
) -> None:
    """Change what was declared and is found otherwise; what is not declared stays as found."""
    wanted = {each.name: getattr(declared, each.name) for each in fields(declared)}
    # The broker leaves out what is false, empty or zero.
    differing = {
        setting: value
        for setting, value in wanted.items()
        if value is not None and (getattr(found, setting) or None) != (value or None)
    }
    if not differing:
        return
    log.warning("declaration differs", of=name, settings=sorted(differing))
    try:
        await change(replace(found, **differing))
    except APIError as error:
        names = ", ".join(sorted(differing))
        raise DriftError(
            f"{name} differs in {names} and cannot be changed: {error.description}"
        ) from error
