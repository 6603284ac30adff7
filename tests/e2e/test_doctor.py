"""crm doctor on a platform of its own, which is hurt in one way after the other."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

import asyncpg
import pytest

from chassis.ids import new_id
from deploy.local.platform import Platform
from deploy.local.settings import DEFAULT_PORTS, GATEWAY, NATS, ROOT, SERVICES, port_variable
from tests.live import eventually, new_tenant

# Backlogs are counted every ten seconds.
WITHIN_S = 40.0
CRM = '#!/bin/sh\nexec "{python}" -m cli.main "$@"\n'
SHELL = re.compile(
    r"^```sh\n# tested by tests/e2e/test_doctor.py\n(.*?)^```", re.DOTALL | re.MULTILINE
)
PARK = """
    INSERT INTO base.parked (tenant_id, consumer, event_id, resource, record_id, version, headers,
                             data, reason, create_time)
    VALUES ($1, 'sales-access', $2, 'role', $3, 1, '{}', '{}', 'delivered 8 times', now())
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform.for_tests(tmp_path_factory.mktemp("doctor"))
    try:
        platform.up()
        new_tenant(platform, "doctor").http.close()
        yield platform
    finally:
        platform.down()


def shell(platform: Platform, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script where `crm` is the command and .run is the platform's folder."""
    program = folder / "crm"
    program.write_text(CRM.format(python=sys.executable))
    program.chmod(0o700)
    (folder / ".run").symlink_to(platform.run_dir)
    ports = {port_variable(name): str(platform.port(name)) for name in DEFAULT_PORTS}
    environment = ports | {
        "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder), "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8",
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def doctor(platform: Platform, **environment: str) -> tuple[int, dict[str, list[str]]]:
    """Exit code, and the lines of what is wrong by check."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "doctor"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "RUN_DIR": str(platform.run_dir)}
        | environment,
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert not done.stderr, done.stderr
    wrong: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if found := re.match(r"WRONG +([a-z ]+?)  +(.*)", line):
            wrong.setdefault(found[1], []).append(found[2].rstrip())
    assert ("All is well" in done.stdout) is (not wrong), done.stdout
    return done.returncode, wrong


def test_a_healthy_platform_is_well(platform: Platform) -> None:
    # Consumers declare themselves and say so within seconds of the first start.
    eventually(lambda: doctor(platform)[0] == 0, WITHIN_S)


def test_places_may_be_told(platform: Platform) -> None:
    ports = {name: platform.port(f"{name}_metrics") for name in (*SERVICES, GATEWAY)}
    told = ",".join(f"{name}=localhost:{port}" for name, port in ports.items())
    assert doctor(platform, RUN_DIR="nowhere", CRM_METRICS=told) == (0, {})
    code, wrong = doctor(
        platform, RUN_DIR="nowhere", CRM_METRICS=told, CRM_URL="http://127.0.0.1:1"
    )
    assert (code, list(wrong)) == (1, ["gateway"])


def test_a_parked_message_is_told_with_its_command(platform: Platform) -> None:
    url, tenant, event = platform.database_url("sales", "owner"), new_id(), new_id()
    asyncio.run(run_sql(url, PARK, tenant, event, new_id()))
    wrong = once(platform, "parked")
    assert list(wrong) == ["parked"]
    assert wrong["parked"][0].startswith("1 of sales-access in sales")
    assert "crm events parked sales" in wrong["parked"][0]
    asyncio.run(run_sql(url, "DELETE FROM base.parked WHERE event_id = $1", event))
    eventually(lambda: doctor(platform)[0] == 0, WITHIN_S)


def test_an_old_schema_is_told(platform: Platform) -> None:
    url = platform.database_url("marketing", "owner")
    statement = "UPDATE base.alembic_version SET version_num = $1"
    newest = max(path.name for path in (ROOT / "services/marketing/migrations/versions").glob("0*"))
    asyncio.run(run_sql(url, statement, "0001"))
    try:
        _, wrong = doctor(platform)
    finally:
        asyncio.run(run_sql(url, statement, newest.partition("_")[0]))
    assert list(wrong) == ["databases"]
    assert "marketing is at revision 0001" in wrong["databases"][0]


def test_a_killed_service_is_told(platform: Platform) -> None:
    platform.kill("marketing")
    code, wrong = doctor(platform)
    platform.start("marketing")
    assert code == 1
    assert {"processes", "health"} <= set(wrong)
    assert all("marketing" in line for lines in wrong.values() for line in lines)
    eventually(lambda: doctor(platform)[0] == 0, WITHIN_S)


def test_a_stopped_broker_is_told(platform: Platform) -> None:
    platform.stop(NATS)
    wrong = once(platform, "relay leaders")
    platform.start(NATS)
    assert "NATS does not answer" in wrong["broker"][0]
    assert "gateway" not in wrong
    assert "processes" not in wrong
    eventually(lambda: doctor(platform)[0] == 0, WITHIN_S)


def test_commands_of_the_runbooks_run(platform: Platform, tmp_path: Path) -> None:
    pages = (ROOT / "docs" / "operations" / "runbooks").glob("*.md")
    blocks = (block for page in pages for block in SHELL.findall(page.read_text()))
    lines = sorted({line for block in blocks for line in block.splitlines()})
    assert len(lines) > 10
    # grep ends with 1 when there is nothing to see, as here.
    script = "\n".join(f"{line} || test $? = 1 || echo FAILED: {quote(line)}" for line in lines)
    done = shell(platform, script, tmp_path)
    assert "FAILED" not in done.stdout, done.stdout
    assert not done.stderr, done.stderr


def once(platform: Platform, check: str) -> dict[str, list[str]]:
    """What is wrong, as soon as this check is."""

    def look() -> dict[str, list[str]]:
        _, wrong = doctor(platform)
        return wrong if check in wrong else {}

    return eventually(look, WITHIN_S)


async def run_sql(url: str, sql: str, *values: str) -> None:
    """One statement."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql, *values)
    finally:
        await connection.close()
