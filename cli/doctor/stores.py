"""Looks at what an installation keeps: streams, databases, disks, backups."""

import asyncio
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import asyncpg
import nats
from nats.aio.client import Client

from chassis.db.pool import CONNECTION_ERRORS
from chassis.events.bus import BROKER_ERRORS
from chassis.rpc.tls import broker_context
from cli.doctor.facts import Backups, Broker, Disk, Durable, Probe, Schema, Stream
from deploy.backup.errors import BackupError
from deploy.backup.manifest import read_manifest, verified
from deploy.backup.store import backups
from deploy.local.settings import ROOT

TIMEOUT_S = 3


async def look_at_broker(url: str, tls_dir: str) -> Broker | None:
    """Its streams and consumers; `tls_dir` holds our authority where it speaks TLS."""
    if not url:
        return None
    try:
        async with asyncio.timeout(TIMEOUT_S):  # it would try again for two minutes
            tls = broker_context(tls_dir)
            client = await nats.connect(url, tls=tls, allow_reconnect=False, error_cb=_ignore)
    except BROKER_ERRORS as error:
        return Broker(f"does not answer ({type(error).__name__})")
    try:
        return await _streams(client)
    except BROKER_ERRORS as error:
        return Broker(f"does not tell its streams ({type(error).__name__})")
    finally:
        await client.close()


async def _streams(client: Client) -> Broker:
    jetstream = client.jetstream(timeout=TIMEOUT_S)
    streams, durables = [], []
    for info in await jetstream.streams_info():
        name = str(info.config.name)
        streams.append(Stream(name, info.state.bytes, max(0, info.config.max_bytes or 0)))
        durables += [
            Durable(name, one.name, one.num_pending or 0)
            for one in await jetstream.consumers_info(name)
        ]
    return Broker("", streams, durables)


async def _ignore(_error: Exception) -> None:
    """What goes wrong is raised as well."""


async def look_at_schemas(urls: Mapping[str, str]) -> dict[str, Schema]:
    """The revision of each database, by service."""
    found = await asyncio.gather(*(_schema(name, url) for name, url in urls.items()))
    return dict(zip(urls, found, strict=True))


async def _schema(service: str, url: str) -> Schema:
    try:
        connection = await asyncpg.connect(url, timeout=TIMEOUT_S, command_timeout=TIMEOUT_S)
        try:
            found = await connection.fetchval("SELECT version_num FROM base.alembic_version")
            clock = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())")
        finally:
            await connection.close()
    except (*CONNECTION_ERRORS, TimeoutError, asyncpg.PostgresError) as error:
        return Schema(Probe(service, f"database cannot be asked ({type(error).__name__})"))
    probe = Probe(f"database of {service}", "", float(clock) - time.time())
    return Schema(probe, str(found), _head(service))


def _head(service: str) -> str:
    """The newest revision in the code beside us, "" when there is none."""
    revisions = (ROOT / "services" / service / "migrations" / "versions").glob("[0-9]*.py")
    return max((one.name.partition("_")[0] for one in revisions), default="")


def look_at_disks(folders: Sequence[Path]) -> list[Disk]:
    """Room where the folders lie, as far as they are on this machine."""
    found = []
    for folder in folders:
        with suppress(OSError):
            usage = shutil.disk_usage(folder)
            found.append(Disk(folder, usage.free, usage.total))
    return found


def look_at_backups(folder: Path | None) -> Backups | None:
    """The newest of those that were finished, and what was found when it was read through."""
    if folder is None:
        return None
    found = backups(folder)
    if not found:
        return Backups(folder, None)
    try:
        known = verified(found[0])
        problem = known.problem if known is not None else ""
        return Backups(folder, read_manifest(found[0]).time, problem)
    except BackupError as error:
        return Backups(folder, None, str(error))
