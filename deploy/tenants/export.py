"""Writes everything of a tenant into one archive, as a stream: memory does not grow with it."""

import json
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

import asyncpg

from deploy.backup.moment import REVISION
from deploy.backup.settings import Installation
from deploy.local.progress import Progress
from deploy.local.settings import ROOT
from deploy.tenants import files
from deploy.tenants.catalog import Table, tenant_tables
from deploy.tenants.contents import LEFT_OUT, WITHHELD, columns, is_exported
from deploy.tenants.errors import TenantError
from deploy.tenants.sessions import Sessions, connected, find

FORMAT: Final = 1
STDOUT: Final = "-"
MANIFEST: Final = "manifest.json"
PREFETCH: Final = 200
CHUNK_BYTES: Final = 1024 * 1024
RELEASE: Final = ROOT / "services" / "gateway" / "release.json"


@dataclass(frozen=True)
class File:
    """A file of the archive; `rows` is None for a blob."""

    name: str
    bytes: int
    sha256: str
    rows: int | None = None


@dataclass
class Exported:
    """What the archive's own manifest says."""

    format: int
    version: str
    tenant: dict[str, str]
    time: str
    schemas: dict[str, str] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=lambda: {**LEFT_OUT, **WITHHELD})


async def export(installation: Installation, slug: str, to: str, progress: Progress) -> Exported:
    """Write the archive to a new file, or to the standard output; nothing is there if it fails."""
    async with connected(installation.databases) as sessions:
        tenant = await find(sessions, slug)
        exported = Exported(
            format=FORMAT,
            version=str(json.loads(RELEASE.read_text())["version"]),
            tenant={"id": tenant.id, "slug": tenant.slug, "name": tenant.name},
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with _target(to) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            await _Writing(archive, exported).everything(sessions, installation.folders, progress)
    return exported


@dataclass(frozen=True)
class _Writing:
    """One archive on its way."""

    archive: zipfile.ZipFile
    exported: Exported

    async def everything(
        self, sessions: Sessions, folders: Mapping[str, Path], progress: Progress
    ) -> None:
        """Rows of one service after the other, files, and last what all that is."""
        exported = self.exported
        for service, session in sessions.items():
            with progress.step(service):
                await self.service(service, session)
        with progress.step("files"):
            for service, path in files.blobs(folders, exported.tenant["id"]):
                self.blob(f"{service}/blobs/{path.name}", path)
        self.archive.writestr(MANIFEST, json.dumps(asdict(exported), indent=1, ensure_ascii=False))

    async def service(self, service: str, session: asyncpg.Connection) -> None:
        """All rows of a service as they are at one moment."""
        async with session.transaction(isolation="repeatable_read", readonly=True):
            self.exported.schemas[service] = await session.fetchval(REVISION)
            for table in await tenant_tables(session):
                if is_exported(service, table.name):
                    lines = _lines(session, table, self.exported.tenant["id"])
                    await self.rows(f"{service}/{table.name}.jsonl", lines)

    async def rows(self, name: str, lines: AsyncIterator[bytes]) -> None:
        """A file with a line for each row."""
        count = size = 0
        digest = sha256()
        with self.archive.open(name, "w", force_zip64=True) as into:
            async for line in lines:
                into.write(line)
                digest.update(line)
                count, size = count + 1, size + len(line)
        self.exported.files.append(File(name, size, digest.hexdigest(), count))

    def blob(self, name: str, path: Path) -> None:
        """A file as it is; one whose time is over by now is left out."""
        try:
            source = path.open("rb")
        except FileNotFoundError:
            return
        size, digest = 0, sha256()
        with source, self.archive.open(name, "w", force_zip64=True) as into:
            while data := source.read(CHUNK_BYTES):
                into.write(data)
                digest.update(data)
                size += len(data)
        self.exported.files.append(File(name, size, digest.hexdigest()))


async def _lines(session: asyncpg.Connection, table: Table, tenant_id: str) -> AsyncIterator[bytes]:
    """The rows as JSON, decimals as strings like everywhere outside."""
    shown = ", ".join(
        f'"{name}"::text AS "{name}"' if name in table.decimals else f'"{name}"'
        for name in columns(table)
    )
    query = (
        f"SELECT row_to_json(line)::text FROM (SELECT {shown} FROM {table.path}"  # noqa: S608  # names from the catalog
        f" WHERE tenant_id = $1 ORDER BY {table.key_list}) AS line"
    )
    async for row in session.cursor(query, tenant_id, prefetch=PREFETCH):
        yield row[0].replace("\n", " ").encode() + b"\n"


@contextmanager
def _target(to: str) -> Iterator[BinaryIO]:
    """Where the archive goes; a file has its name when it is whole, and only its owner reads it."""
    if to == STDOUT:
        yield sys.stdout.buffer
        return
    path, part = Path(to), Path(f"{to}.part")
    if path.exists():
        raise TenantError(f"{to} exists: say another name")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        with part.open("wb") as file:
            yield file
        part.rename(path)
    except OSError as error:
        raise TenantError(f"{to} cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
