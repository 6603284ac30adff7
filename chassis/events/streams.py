"""The streams, declared: one per service, one that joins them all; compared at start."""

from dataclasses import asdict

import structlog
from nats.js import api
from nats.js.errors import APIError, NotFoundError

from chassis.events.bus import Bus

EDGE = "EDGE"
DAY_S = 86400.0
STREAM_AGE_MAX_S = 14 * DAY_S
EDGE_AGE_MAX_S = 3600.0
DUPLICATE_WINDOW_S = 600.0
MESSAGE_BYTES_MAX = 262144
STREAM_BYTES_MAX = 512 * 1024 * 1024
EDGE_BYTES_MAX = 256 * 1024 * 1024

log = structlog.get_logger()


class DriftError(Exception):
    """The broker holds another configuration than we declare, and it cannot be changed in place."""


def stream_name(service: str) -> str:
    """The stream of a service, for example CRM_SALES."""
    return f"CRM_{service.upper()}"


def stream_config(
    service: str, *, replicas: int = 1, bytes_max: int = STREAM_BYTES_MAX
) -> api.StreamConfig:
    """A service's stream: full means refuse, so that the outbox holds what has no room."""
    return api.StreamConfig(
        name=stream_name(service),
        subjects=[f"crm.*.{service}.>"],
        storage=api.StorageType.FILE,
        retention=api.RetentionPolicy.LIMITS,
        discard=api.DiscardPolicy.NEW,
        max_age=STREAM_AGE_MAX_S,
        max_bytes=bytes_max,
        max_msg_size=MESSAGE_BYTES_MAX,
        duplicate_window=DUPLICATE_WINDOW_S,
        num_replicas=replicas,
        allow_direct=False,
        deny_delete=False,
        deny_purge=True,
        allow_atomic=True,
        compression=api.StoreCompression.S2,
    )


def edge_config(
    services: tuple[str, ...], *, replicas: int = 1, bytes_max: int = EDGE_BYTES_MAX
) -> api.StreamConfig:
    """The stream that sources all services' streams for an hour.

    On one node it is written without waiting for the disk, for it only copies; in memory it would
    source all history again after a restart.
    """
    return api.StreamConfig(
        name=EDGE,
        sources=[api.StreamSource(name=stream_name(service)) for service in sorted(services)],
        storage=api.StorageType.FILE,
        retention=api.RetentionPolicy.LIMITS,
        discard=api.DiscardPolicy.OLD,
        max_age=EDGE_AGE_MAX_S,
        max_bytes=bytes_max,
        num_replicas=replicas,
        persist_mode=api.PersistMode.ASYNC if replicas == 1 else None,
    )


async def ensure_stream(
    bus: Bus, service: str, *, replicas: int = 1, bytes_max: int = STREAM_BYTES_MAX
) -> bool:
    """Create or update a service's stream; True when it is new. DriftError when it cannot be."""
    return await _ensure(bus, stream_config(service, replicas=replicas, bytes_max=bytes_max))


async def stream_exists(bus: Bus, service: str) -> bool:
    """Whether the service's stream is there."""
    try:
        await bus.jetstream.stream_info(stream_name(service))
    except NotFoundError:
        return False
    return True


async def ensure_edge(
    bus: Bus, services: tuple[str, ...], *, replicas: int = 1, bytes_max: int = EDGE_BYTES_MAX
) -> bool:
    """The same for the stream of live updates."""
    return await _ensure(bus, edge_config(services, replicas=replicas, bytes_max=bytes_max))


def drift(declared: api.StreamConfig | api.ConsumerConfig, found: object) -> dict[str, object]:
    """What was declared and is found otherwise: {setting: found value}."""
    wanted = {name: value for name, value in asdict(declared).items() if value is not None}
    return {
        name: getattr(found, name, None)
        for name, value in wanted.items()
        if _plain(_found(found, name)) != _plain(value)
    }


async def _ensure(bus: Bus, declared: api.StreamConfig) -> bool:
    name = str(declared.name)
    try:
        info = await bus.jetstream.stream_info(name)
    except NotFoundError:
        await bus.jetstream.add_stream(declared)
        log.info("stream created", stream=name)
        return True
    differing = drift(declared, info.config)
    if differing:
        log.warning("stream differs from its declaration", stream=name, found=differing)
        try:
            await bus.jetstream.update_stream(declared)
        except APIError as error:
            raise DriftError(
                f"stream {name} differs in {', '.join(differing)} and cannot be changed: "
                f"{error.description}"
            ) from error
    return False


def _found(found: object, name: str) -> object:
    value = getattr(found, name, None)
    return [asdict(item) for item in value] if name == "sources" and value else value


def _plain(value: object) -> object:
    """Values as they compare: the broker leaves out what is false, empty or zero."""
    if isinstance(value, list):
        return sorted(str(_plain(item)) for item in value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item}
    return str(getattr(value, "value", value)) if value else None
