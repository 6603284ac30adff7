"""A platform with something to tell, and a Prometheus that reads it every second."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import nats
import pytest

from cli.importing import run_import
from cli.spec import Options, spec_from
from deploy.local import ports
from deploy.local.platform import Platform
from deploy.local.settings import BACKUP, HOST, ROOT
from deploy.manifests.certificates import Authority
from deploy.observability.programs import program
from tests.live import Tenant, eventually, new_tenant
from tests.observability import FOLDER
from tests.observe.prometheus import Prometheus, hurried

START_S = 30.0
# Eight attempts rest for 32 seconds in all, and backlogs are counted every ten.
PARKED_S = 90.0
FIRMS = "no,company,kind\n" + "".join(f"{at},Firm {at},COMPANY\n" for at in range(50))
COLUMNS = ("no=external_id", "company=name", "kind=kind")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("observe")


@pytest.fixture(scope="session")
def watched(whole_platform: Platform, folder: Path) -> Iterator[None]:
    """A backup that was found good, and the process that tells of it, as in a cluster."""
    (port,) = ports.pick(1)
    tls = folder / "tls"
    tls.mkdir()
    for name, text in Authority().issue([BACKUP]).items():
        (tls / name).write_text(text)
    environment = whole_platform.backup_environment() | {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "deploy.backup"]
    subprocess.run([*command, "create", "--verify"], cwd=ROOT, env=environment, check=True)
    environment |= {"TLS_DIR": str(tls), "METRICS_LISTEN": f"{HOST}:{port}"}
    targets = whole_platform.run_dir / "prometheus.json"
    told = msgspec.json.decode(targets.read_bytes(), type=list[dict[str, object]])
    told.append({"targets": [f"{HOST}:{port}"], "labels": {"service": BACKUP}})
    targets.write_bytes(msgspec.json.encode(told))
    with subprocess.Popen([*command, "watch"], cwd=ROOT, env=environment) as process:
        yield
        process.terminate()


@pytest.fixture(scope="session")
def prometheus(whole_platform: Platform, watched: None, folder: Path) -> Iterator[Prometheus]:
    """The committed configuration, rules and alerts at work."""
    (port,) = ports.pick(1)
    configuration = folder / "prometheus.yml"
    configuration.write_bytes(hurried(whole_platform))
    command = [
        str(program("prometheus")), f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={HOST}:{port}",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=FOLDER, stdout=log, stderr=log)
    with httpx.Client(base_url=f"http://{HOST}:{port}/api/v1", timeout=10) as http:
        try:
            found = Prometheus(http)
            eventually(found.is_ready, START_S)
            yield found
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="session")
def busy(whole_platform: Platform, prometheus: Prometheus, folder: Path) -> Iterator[Tenant]:
    """A tenant after a little of everything: records, lists, refusals, an import, an event that
    is parked.
    """
    tenant = new_tenant(whole_platform, "busy")
    asyncio.run(poison(whole_platform, tenant))
    for at in range(20):
        tenant.create("customers", name=f"Customer {at}")
        assert tenant.get("customers", page_size=10).is_success
        assert tenant.post("customers", {"name": ""}).status_code == 400
    file = folder / "firms.csv"
    file.write_text(FIRMS)
    with tenant.client(folder / "session.json") as client:
        spec = spec_from(Options("customers", maps=COLUMNS, external_source="observe"))
        run_import(client, file, spec)
    eventually(lambda: prometheus.count("crm_parked_messages"), PARKED_S, 1.0)
    yield tenant
    tenant.http.close()


async def poison(platform: Platform, tenant: Tenant) -> None:
    """An event that nobody can read."""
    client = await nats.connect(platform.nats_url())
    await client.jetstream().publish(f"crm.{tenant.id}.customer.00.customer.created", b"poison")
    await client.close()
