"""Makes a backup: all databases at one moment, and the files that belong to them."""

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.backup import folders, tools
from deploy.backup.errors import BackupError
from deploy.backup.manifest import FORMAT, Manifest, Part, key_id, write_manifest
from deploy.backup.moment import Moment, common_moment
from deploy.backup.parts import ARCHIVE, DUMP, part_path, sealed_name
from deploy.backup.sealed import SealedWriter
from deploy.backup.settings import BLOBS, LOG_ROOTS, Installation
from deploy.backup.store import UNFINISHED, new_id
from deploy.local.progress import Progress

DUMPS_AT_ONCE: Final = 2


def create(installation: Installation, progress: Progress) -> Manifest:
    """Make a backup while everything goes on; BackupError leaves none behind."""
    backup_id = new_id(datetime.now(UTC))
    unfinished = installation.store / f"{backup_id}{UNFINISHED}"
    try:
        unfinished.mkdir(mode=0o700, parents=True)
        try:
            making = _Making(installation, backup_id, unfinished, progress)
            manifest = asyncio.run(making.run())
            write_manifest(unfinished, manifest, installation.key)
            _sync(unfinished)
            unfinished.rename(installation.store / backup_id)
            return manifest
        except BaseException:
            shutil.rmtree(unfinished)
            raise
    except OSError as error:
        raise BackupError(f"The backup cannot be written: {error}") from error


@dataclass(frozen=True)
class _Making:
    """One backup on its way into a folder."""

    installation: Installation
    id: str
    folder: Path
    progress: Progress

    async def run(self) -> Manifest:
        """Everything but the manifest's file."""
        installation = self.installation
        # Looked at before: what is signed later may be about entries after the moment.
        roots = folders.listing(installation.folders[LOG_ROOTS])
        async with common_moment(installation.databases) as moment:
            # Looked at after: what the databases know of was complete before.
            blobs = folders.listing(installation.folders[BLOBS])
            with self.progress.step(f"files at {moment.time:%H:%M:%S} ({moment.tries} looks)"):
                parts = [
                    await self._files(BLOBS, blobs),
                    await self._files(LOG_ROOTS, roots),
                ]
            with self.progress.step("databases"):
                parts += await self._dumps(moment)
        return Manifest(
            format=FORMAT,
            id=self.id,
            time=moment.time,
            snapshot=moment.snapshot,
            revisions=moment.revisions,
            server=tools.server_version(),
            key_id=key_id(installation.key),
            parts=tuple(sorted(parts, key=lambda part: part.name)),
        )

    async def _files(self, name: str, files: Mapping[Path, int]) -> Part:
        root = self.installation.folders[name]
        return await self._seal(f"{name}.{ARCHIVE}", lambda into: folders.pack(root, files, into))

    async def _dumps(self, moment: Moment) -> list[Part]:
        slots = asyncio.Semaphore(DUMPS_AT_ONCE)

        async def one(service: str, url: str) -> Part:
            async with slots:
                snapshot = moment.names[service]
                return await self._seal(
                    f"{service}.{DUMP}", lambda into: tools.dump(url, snapshot, into)
                )

        databases = self.installation.databases.items()
        return await asyncio.gather(*(one(service, url) for service, url in databases))

    async def _seal(self, name: str, write: Callable[[SealedWriter], None]) -> Part:
        def work() -> Part:
            path, bound = part_path(self.folder, name), sealed_name(self.id, name)
            with SealedWriter(path, self.installation.key, bound) as into:
                write(into)
            return Part(name, into.bytes, into.plain_bytes, into.digest)

        return await asyncio.to_thread(work)


def _sync(folder: Path) -> None:
    """Have everything on the disk before the name says that it is finished."""
    for path in (*folder.iterdir(), folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
