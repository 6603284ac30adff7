"""A backup and a restore of databases that let nobody in without TLS, as in a cluster.

The server of the tests knows no TLS: what stands before it takes the server's part of it.
"""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from deploy.backup.create import create
from deploy.backup.errors import BackupError
from deploy.backup.parts import verify
from deploy.backup.restore import restore
from deploy.backup.settings import BLOBS, LOG_ROOTS, Installation
from deploy.backup.tunnel import AGREED, REQUEST
from deploy.local.platform import Platform
from deploy.local.progress import Progress
from deploy.manifests.certificates import Authority
from tests.integration.deploy.conftest import NAMES

SILENT = Progress(None)
TEXT = "SELECT txt FROM base.tls_probe"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    return written(tmp_path / "tls", Authority())


def written(folder: Path, authority: Authority) -> Path:
    folder.mkdir()
    for name, content in authority.issue(["localhost"]).items():
        (folder / name).write_text(content)
    return folder


@asynccontextmanager
async def guarded(url: str, folder: Path) -> AsyncIterator[int]:
    """A port that speaks PostgreSQL's TLS and has the real server behind it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    host, port = url.partition("@")[2].partition("/")[0].split(":")

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(REQUEST)) == REQUEST
        near, to_near = await asyncio.open_connection(host, int(port))
        writer.write(AGREED)
        try:
            await writer.start_tls(context)
            await asyncio.gather(pour(reader, to_near), pour(near, writer))
        except OSError:
            pass  # they did not like our certificate
        finally:
            for one in (to_near, writer):
                one.close()
                with suppress(OSError):
                    await one.wait_closed()

    async with await asyncio.start_server(carry, "localhost", 0) as server:
        yield int(server.sockets[0].getsockname()[1])


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def asking(url: str, port: int, authority: Path) -> str:
    """The same login by way of the port."""
    login, rest = url.partition("@")[0], url.partition("@")[2].partition("/")[2]
    name = rest.partition("?")[0]
    return f"{login}@localhost:{port}/{name}?sslmode=verify-full&sslrootcert={authority}"


async def test_databases_are_saved_and_restored_through_tls(
    platform: Platform, certificates: Path, tmp_path: Path
) -> None:
    plain = {name: platform.database_url(name, "owner") for name in NAMES}
    connection = await asyncpg.connect(plain["sales"])
    await connection.execute("CREATE TABLE base.tls_probe AS SELECT 'before' AS txt")
    async with guarded(plain["sales"], certificates) as port:
        site = Installation(
            databases={
                name: asking(url, port, certificates / "ca.crt") for name, url in plain.items()
            },
            nats_url=platform.nats_url(),
            folders={BLOBS: tmp_path / "blobs", LOG_ROOTS: tmp_path / "log-roots"},
            store=tmp_path / "backups",
            key=bytes(range(32)),
        )
        made = await asyncio.to_thread(create, site, SILENT)
        await connection.execute("UPDATE base.tls_probe SET txt = 'after'")
        verify(site.store / made.id, site.key, SILENT)
        await asyncio.to_thread(restore, site, made, True, SILENT)
    assert await connection.fetchval(TEXT) == "before"
    await connection.close()


async def test_a_server_of_another_authority_is_refused(
    platform: Platform, certificates: Path, tmp_path: Path
) -> None:
    url = platform.database_url("sales", "owner")
    strange = written(tmp_path / "strange", Authority())
    async with guarded(url, strange) as port:
        site = Installation(
            databases={"sales": asking(url, port, certificates / "ca.crt")},
            nats_url=platform.nats_url(),
            folders={BLOBS: tmp_path / "blobs", LOG_ROOTS: tmp_path / "log-roots"},
            store=tmp_path / "backups",
            key=bytes(range(32)),
        )
        with pytest.raises(BackupError, match="sales"):
            await asyncio.to_thread(create, site, SILENT)
    shutil.rmtree(strange)
