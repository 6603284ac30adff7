"""PostgreSQL and NATS as the runner starts them, in a folder of their own."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import nats
import pytest

from deploy.local import ports
from deploy.local.errors import RunnerError
from deploy.local.platform import Platform
from deploy.local.settings import ROOT


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform.for_tests(tmp_path_factory.mktemp("platform"), services=())
    platform.up()
    platform.prepare_database("sales")
    yield platform
    platform.down()


async def test_postgres_is_18_with_checksums_and_durable(platform: Platform) -> None:
    connection = await asyncpg.connect(platform.admin_database_url())
    try:
        settings = {
            name: await connection.fetchval("SELECT current_setting($1)", name)
            for name in ("server_version_num", "data_checksums", "fsync", "synchronous_commit")
        }
        encoding = await connection.fetchval("SELECT current_setting('server_encoding')")
    finally:
        await connection.close()
    assert settings.pop("server_version_num").startswith("18")
    assert set(settings.values()) == {"on"}
    assert encoding == "UTF8"


@pytest.mark.parametrize(
    ("role", "path"), [("owner", "base"), ("worker", "base"), ("runtime", "tenant")]
)
async def test_roles_see_their_schema(platform: Platform, role: str, path: str) -> None:
    urls = {
        "owner": platform.database_url("sales", "owner"),
        "worker": platform.database_url("sales", "worker"),
        "runtime": platform.database_url("sales", "runtime"),
    }
    connection = await asyncpg.connect(urls[role])
    try:
        assert await connection.fetchval("SELECT current_schema()") == path
    finally:
        await connection.close()


async def test_runtime_role_cannot_touch_base(platform: Platform) -> None:
    owner = await asyncpg.connect(platform.database_url("sales", "owner"))
    runtime = await asyncpg.connect(platform.database_url("sales", "runtime"))
    try:
        await owner.execute("CREATE TABLE IF NOT EXISTS lead (name text)")
        await owner.execute(
            "CREATE INDEX IF NOT EXISTS lead_name ON lead USING gin (name gin_trgm_ops)"
        )
        for statement in ("SELECT name FROM base.lead", "CREATE TABLE mine (id int)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await runtime.execute(statement)
    finally:
        await owner.close()
        await runtime.close()


async def test_roles_reach_only_their_database(platform: Platform) -> None:
    platform.prepare_database("customer")
    url = platform.database_url("sales", "runtime")
    foreign = url.removesuffix("crm_sales") + "crm_customer"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(foreign)


async def test_nats_keeps_what_it_acknowledged_when_killed(platform: Platform) -> None:
    client = await nats.connect(platform.nats_url())
    await client.jetstream().add_stream(name="KEEP", subjects=["keep"])
    await client.jetstream().publish("keep", b"1")
    await client.close()
    platform.kill("nats")
    platform.start("nats")
    client = await nats.connect(platform.nats_url())
    try:
        info = await client.jetstream().stream_info("KEEP")
    finally:
        await client.close()
    assert info.state.messages == 1


def test_nats_refuses_strangers(platform: Platform) -> None:
    # By hand: the client library leaves its socket open when it is refused.
    with socket.create_connection(("127.0.0.1", platform.port("nats")), timeout=5) as stranger:
        answers = stranger.makefile("rb")
        assert answers.readline().startswith(b"INFO ")
        stranger.sendall(b"CONNECT {}\r\nPING\r\n")
        assert b"Authorization Violation" in answers.readline()
        answers.close()


async def test_data_survives_a_killed_postgres(platform: Platform) -> None:
    url = platform.database_url("sales", "owner")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    killed = platform.kill("postgres")
    connection.terminate()
    assert platform.start("postgres") != killed
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM kept") == 1
    finally:
        await connection.close()


def test_up_again_starts_nothing(platform: Platform) -> None:
    before = platform.pids()
    platform.up()
    assert platform.pids() == before
    assert set(before) == {"postgres", "nats"}


def test_status_shows_what_runs(platform: Platform) -> None:
    environment = {**os.environ, "RUN_DIR": str(platform.run_dir)}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "status"], cwd=ROOT, env=environment,
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    for name, pid in platform.pids().items():
        assert re.search(
            rf"^ +{name} +port {platform.port(name)} +process {pid}$", done.stdout, re.MULTILINE
        )


def test_up_finds_what_another_run_started(platform: Platform) -> None:
    environment = {
        f"{name.upper()}_PORT": str(platform.port(name)) for name in ("postgres", "nats")
    }
    again = Platform(platform.run_dir, {**os.environ, **environment}, services=())
    assert again.pids() == platform.pids()


def test_two_platforms_run_side_by_side(platform: Platform, tmp_path: Path) -> None:
    other = Platform.for_tests(tmp_path, services=())
    try:
        other.up()
        assert not set(other.pids().values()) & set(platform.pids().values())
    finally:
        assert other.down() == ["nats", "postgres"]
    assert other.pids() == {}


def test_up_names_a_taken_port(platform: Platform, tmp_path: Path) -> None:
    taken = platform.port("nats")
    free = ports.pick(1)[0]
    environment = {"POSTGRES_PORT": str(free), "NATS_PORT": str(taken), "PATH": os.environ["PATH"]}
    other = Platform(tmp_path, environment, services=())
    with pytest.raises(RunnerError, match=f"port {taken} is taken.*NATS_PORT"):
        other.up()
    assert other.pids() == {}


async def test_running_servers_are_used(platform: Platform, tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": platform.admin_database_url(),
        "NATS_URL": platform.nats_url(),
        "PATH": os.environ["PATH"],
    }
    guest = Platform(tmp_path, environment, services=())
    assert guest.names() == ()
    guest.prepare_database("marketing")
    connection = await asyncpg.connect(guest.database_url("marketing", "runtime"))
    try:
        assert await connection.fetchval("SELECT current_schema()") == "tenant"
    finally:
        await connection.close()
