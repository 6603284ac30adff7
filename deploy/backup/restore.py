"""Puts an installation back: all databases in transactions that end together, streams, files."""

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg

from deploy.backup import folders
from deploy.backup.errors import BackupError
from deploy.backup.manifest import Manifest
from deploy.backup.parts import ARCHIVE, DUMP, content
from deploy.backup.settings import ASIDE, Installation
from deploy.backup.settle import forget_streams, logins, require_quiet, settling
from deploy.backup.store import new_id
from deploy.backup.tools import Load, loading
from deploy.local.progress import Progress
from deploy.local.settings import ROOT

# The dump brings both schemas with everything in them, rights included.
CLEAR: Final = """
BEGIN;
DROP SCHEMA IF EXISTS tenant CASCADE;
DROP SCHEMA IF EXISTS base CASCADE;
"""
ROLES: Final = "SELECT count(*) FROM pg_roles WHERE rolname = ANY($1::text[])"
TABLES: Final = "SELECT to_regclass('base.change') IS NOT NULL"
HOLDS: Final = "SELECT EXISTS (SELECT FROM base.change)"


@dataclass(frozen=True)
class Restored:
    """Streams that were forgotten, and where the files lie that were there before."""

    streams: tuple[str, ...]
    aside: str


def restore(
    installation: Installation, manifest: Manifest, overwrite: bool, progress: Progress
) -> Restored:
    """Replace everything by a backup whose parts were verified; BackupError changes nothing but
    the streams, which the relays make anew anyway.

    Roles must exist and no service may run; `overwrite` allows databases that hold something.
    """
    asyncio.run(_require_free(installation, manifest, overwrite))
    streams = asyncio.run(forget_streams(installation.nats_url, installation.tls_dir))
    folder, now = installation.store / manifest.id, datetime.now(UTC)
    with ExitStack() as stack:
        loads = []
        for service, url in installation.databases.items():
            with progress.step(f"load {service}"):
                load = stack.enter_context(loading(url))
                load.run(CLEAR)
                load.restore(content(folder, installation.key, f"{service}.{DUMP}"))
                load.run(settling(service, manifest.time, now) + "ANALYZE;\n")
                load.settled()
                loads.append(load)
        with progress.step("files"):
            for name, root in installation.folders.items():
                unpacked = root / folders.COMING
                shutil.rmtree(unpacked, ignore_errors=True)
                unpacked.mkdir(parents=True)
                folders.unpack(content(folder, installation.key, f"{name}.{ARCHIVE}"), unpacked)
        _commit(loads)
    for root in installation.folders.values():
        folders.replace(root, new_id(now))
    return Restored(tuple(streams), f"{ASIDE}{new_id(now)}")


def _commit(loads: Sequence[Load]) -> None:
    """End all transactions; all that could go wrong in them has been done."""
    for count, load in enumerate(loads):
        try:
            load.finish()
        except BackupError as error:
            raise BackupError(
                f"{count} of {len(loads)} databases are restored, run it again: {error}"
            ) from error


async def _require_free(installation: Installation, manifest: Manifest, overwrite: bool) -> None:
    """Look everywhere before anything is touched."""
    held = []
    for service, url in installation.databases.items():
        _require_known(service, manifest.revisions[service])
        try:
            connection = await asyncpg.connect(url)
        except (OSError, asyncpg.PostgresError) as error:
            raise BackupError(f"The database of {service} cannot be reached: {error}") from error
        try:
            if await connection.fetchval(ROLES, logins(service)) < len(logins(service)):
                raise BackupError(f"The roles {logins(service)} do not exist: make them first")
            await require_quiet(service, connection)
            if await connection.fetchval(TABLES) and await connection.fetchval(HOLDS):
                held.append(service)
        finally:
            connection.terminate()
    if held and not overwrite:
        raise BackupError(
            f"This installation holds data ({', '.join(held)}), and everything since"
            f" {manifest.time:%Y-%m-%d %H:%M:%S} would be gone: to replace it say --yes"
        )


def _require_known(service: str, revision: str) -> None:
    """A newer schema than this program's would not be understood."""
    folder: Path = ROOT / "services" / service / "migrations" / "versions"
    if folder.is_dir() and not list(folder.glob(f"{revision}_*.py")):
        raise BackupError(f"{service} was backed up at revision {revision}: use a newer crm")
