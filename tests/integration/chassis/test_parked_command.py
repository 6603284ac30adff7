"""What a service has parked is shown and applied by its own command."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import orjson
import pytest

from chassis.events.envelope import Change, to_message
from chassis.ids import new_id
from deploy.local.platform import Platform
from deploy.local.settings import POSTGRES

TENANT, ROLE = new_id(), new_id()
PARK = """
    INSERT INTO base.parked
        (tenant_id, consumer, event_id, resource, record_id, version, headers, data, reason,
         create_time)
    VALUES ($1, 'customer-access', $2, 'role', $3, 1, $4, $5, 'delivered 8 times', now())
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform.for_tests(tmp_path_factory.mktemp("parked"), services=("customer",))
    try:
        platform.start(POSTGRES)
        platform.migrate("customer")
        yield platform
    finally:
        platform.down()


def command(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.customer", *arguments],
        env=platform.service_environment("customer"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def park(platform: Platform) -> None:
    change = Change(
        tenant_id=TENANT, id=new_id(), seq=1, resource="role", record_id=ROLE, version=1,
        event="created", actor_id="", through="user", cause_id="", request_id="", traceparent="",
        changes="{}", representation=orjson.dumps({"id": ROLE, "name": "Manager"}).decode(),
        lane=0, create_time=datetime.now(UTC),
    )  # fmt: skip
    message = to_message("identity", change)

    async def write() -> None:
        owner = await asyncpg.connect(platform.database_url("customer", "owner"))
        headers, data = orjson.dumps(message.headers).decode(), message.data.decode()
        await owner.execute(PARK, TENANT, change.id, ROLE, headers, data)
        await owner.close()

    asyncio.run(write())


def known_roles(platform: Platform) -> list[str]:
    async def read() -> list[str]:
        owner = await asyncpg.connect(platform.database_url("customer", "owner"))
        rows = await owner.fetch("SELECT id FROM base.access_record WHERE kind = 'role'")
        await owner.close()
        return [str(row["id"]) for row in rows]

    return asyncio.run(read())


def test_parked_events_are_shown_and_replayed(platform: Platform) -> None:
    park(platform)
    shown = command(platform, "parked")
    assert f"customer-access {TENANT} role {ROLE} v1: delivered 8 times" in shown.stdout
    assert known_roles(platform) == []
    done = command(platform, "parked", "replay")
    assert (done.returncode, done.stdout) == (0, "applied 1\n"), done.stderr
    assert known_roles(platform) == [ROLE]
    assert command(platform, "parked").stdout == ""
