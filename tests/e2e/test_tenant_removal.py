"""A whole tenant leaves: everything of it is exported, then nothing of it is left anywhere, and its
neighbour notices nothing.
"""

import asyncio
import json
import os
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import asyncpg
import nats
import pytest
from google.protobuf.message import Message

from chassis.events.streams import EDGE, stream_name
from cli.tenant import call
from crm.identity.v1 import tenant_pb2 as pb
from deploy.backup.settings import read_installation
from deploy.local.platform import Platform
from deploy.local.progress import Progress
from deploy.local.settings import ROOT, SERVICES
from deploy.tenants.catalog import tenant_tables
from deploy.tenants.commands import delete
from deploy.tenants.contents import EVERYWHERE, OF_SERVICE
from deploy.tenants.errors import TenantError
from deploy.tenants.export import export
from deploy.tenants.removal import remove
from tests.e2e.conftest import Crm, ok
from tests.e2e.test_bad_files import ended, send
from tests.integration.custom_fields.own import own_field
from tests.live import PASSWORD, Tenant, as_dict, eventually, new_tenant, signed_in

CANARY = "Zaunkoenig"
LISTED = {
    "identity": ("users", "departments", "roles", "apiClients"),
    "customer": ("customers", "contacts"),
    "sales": ("opportunities", "products", "pipelines", "stages"),
    "marketing": ("campaigns", "campaignMembers"),
}
TABLES = {
    "apiClients": "api_client", "campaignMembers": "campaign_member", "departments": "department",
    "opportunities": "opportunity",
}  # fmt: skip
# Once a minute the chain of a tenant that is there gets its next signed root.
SIGNED = {"log_head", "log_root"}


def fill(tenant: Tenant) -> None:
    """Give a tenant something of everything, with the canary in its texts."""
    own_field(tenant, "region", "TEXT", description=CANARY, unique_values=True)
    fields = {"region": f"{CANARY}-1"}
    customer = tenant.create("customers", name=f"{CANARY} 公司", custom_fields=fields)["id"]
    tenant.create("customers", name="Tochter", parent_id=customer)
    tenant.create("contacts", name=f"Frau {CANARY}", customer_id=customer)
    boss = tenant.create("departments", name=CANARY)["id"]
    tenant.create("departments", name="below", parent_id=boss)
    amount = {"currency_code": "EUR", "amount": "12.50"}
    eventually(lambda: tenant.list("pipelines"))
    deal = tenant.create("opportunities", name=CANARY, customer_id=customer, amount=amount)["id"]
    shared = tenant.post(f"opportunities/{deal}/shares", {"department_id": boss})
    assert shared.status_code == 200, shared.text
    tenant.create("products", name=CANARY)
    campaign = tenant.create("campaigns", name=CANARY)["id"]
    tenant.create("campaignMembers", campaign_id=campaign, customer_id=customer)
    roles = [str(one["id"]) for one in tenant.list("roles", filter='key = "administrator"')]
    client = tenant.create("apiClients", name=CANARY, role_ids=roles)["id"]
    assert tenant.post(f"apiClients/{client}:addSecret", {}).status_code == 200
    file = "no,firm\n" + "".join(f"{at},{CANARY} {at}\n" for at in range(40))
    columns = [{"column": "no", "field": "external_id"}, {"column": "firm", "field": "name"}]
    assert ended(tenant, send(tenant, file.encode(), columns=columns))["response"]
    exported = tenant.post("customers:export", {"format": "CSV"})
    assert ended(tenant, exported)["response"]
    eventually(lambda: groups(tenant) == 1)


def groups(tenant: Tenant) -> int:
    """How many opportunities reports count."""
    answer = as_dict(tenant.get("reports/pipelineSummary", group_by="owner"))["groups"]
    assert isinstance(answer, list)
    return sum(int(one["count"]) for one in answer)


def asked(platform: Platform, service: str, ask: Callable[..., object], *values: object) -> object:
    """What a coroutine answers that is given a connection of the database's owner."""

    async def connected() -> object:
        connection = await asyncpg.connect(platform.database_url(service, "owner"))
        try:
            answer = ask(connection, *values)
            assert asyncio.iscoroutine(answer)
            return await answer
        finally:
            await connection.close()

    return asyncio.run(connected())


async def mentions(connection: asyncpg.Connection, *needles: str) -> dict[str, int]:
    """How many rows of any table have one of these texts anywhere."""
    named = "SELECT relname FROM pg_class WHERE relnamespace = 'base'::regnamespace"
    found = {}
    for row in await connection.fetch(f"{named} AND relkind IN ('r', 'p') AND NOT relispartition"):
        query = f'SELECT count(*) FROM base."{row[0]}" AS t WHERE t::text LIKE ANY($1)'  # noqa: S608  # a name of the catalog
        found[row[0]] = await connection.fetchval(query, [f"%{one}%" for one in needles])
    return {name: count for name, count in found.items() if count}


async def prints(connection: asyncpg.Connection, tenant_id: str) -> dict[str, str]:
    """The number of rows of a tenant and a digest of them, by table."""
    found = {}
    digest = "count(*) || ' ' || md5(coalesce(string_agg(t::text, ';' ORDER BY t::text), ''))"
    for table in await tenant_tables(connection):
        query = f"SELECT {digest} FROM {table.path} AS t WHERE tenant_id = $1"  # noqa: S608  # a name of the catalog
        if table.name not in SIGNED:
            found[table.name] = await connection.fetchval(query, tenant_id)
    return found


def all_prints(platform: Platform, tenant: Tenant) -> dict[str, object]:
    """The same of every service."""
    return {service: asked(platform, service, prints, tenant.id) for service in SERVICES}


def settled(platform: Platform, tenant: Tenant) -> dict[str, object]:
    """The same, once nothing moves any more."""
    found = all_prints(platform, tenant)
    return found if found == all_prints(platform, tenant) else {}


def operate(platform: Platform, method: str, request: Message) -> pb.Tenant:
    """Call identity as operators do."""
    operator = platform.operator()
    reach = (operator["identity_target"], operator["secret"])
    answer = asyncio.run(call(*reach, method, request))
    assert isinstance(answer, pb.Tenant)
    return answer


def messages(platform: Platform, tenant_id: str) -> dict[str, int]:
    """How many messages of a tenant each stream has."""

    async def look() -> dict[str, int]:
        client = await nats.connect(platform.nats_url())
        try:
            found = {}
            for stream in (EDGE, *map(stream_name, SERVICES)):
                asked_for = {"subjects_filter": f"crm.{tenant_id}.>"}
                info = await client.jetstream().stream_info(stream, **asked_for)
                found[stream] = sum((info.state.subjects or {}).values())
            return found
        finally:
            await client.close()

    return asyncio.run(look())


@pytest.fixture(scope="module")
def leaving(whole_platform: Platform) -> Iterator[Tenant]:
    """A tenant that has something everywhere and goes."""
    made = new_tenant(whole_platform, "leaving")
    fill(made)
    yield made
    made.http.close()


@pytest.fixture(scope="module")
def staying(whole_platform: Platform) -> Iterator[Tenant]:
    """Another one that has the same and stays."""
    made = new_tenant(whole_platform, "staying")
    fill(made)
    yield made
    made.http.close()


def test_an_export_has_everything_but_secrets(
    crm: Crm, leaving: Tenant, staying: Tenant, tmp_path: Path
) -> None:
    ok(crm("tenant", "export", leaving.slug, "--to", "all.zip"))
    assert [one.name for one in tmp_path.iterdir() if one.suffix != ".json"] == ["all.zip"]
    assert (tmp_path / "all.zip").stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        manifest = json.loads(archive.read("manifest.json"))
        content = {one["name"]: archive.read(one["name"]) for one in manifest["files"]}
        assert set(archive.namelist()) == {*content, "manifest.json"}
    assert manifest["tenant"] == {
        "id": leaving.id, "slug": leaving.slug, "name": "leaving 公司",
    }  # fmt: skip
    for one in manifest["files"]:
        data = content[one["name"]]
        assert (len(data), sha256(data).hexdigest()) == (one["bytes"], one["sha256"])
        assert one["rows"] in {None, data.count(b"\n")}
    tables = {f"{s}/{t}.jsonl" for s in SERVICES for t in (*EVERYWHERE, *OF_SERVICE[s])}
    assert {name for name in content if "/blobs/" not in name} == tables
    assert {name.partition("/")[0] for name in content if "/blobs/" in name} == {"customer"}
    for service, collections in LISTED.items():
        for collection in collections:
            table = TABLES.get(collection, collection.removesuffix("s"))
            rows = [json.loads(line) for line in content[f"{service}/{table}.jsonl"].splitlines()]
            living = sum(row["delete_time"] is None for row in rows)
            assert living == leaving.count(collection), collection
    deal = json.loads(content["sales/opportunity.jsonl"])
    assert (deal["name"], deal["amount"]) == (CANARY, "12.50")
    everything = b"".join(content.values())
    assert staying.id.encode() not in everything
    assert str(leaving.session["access_token"]).encode() not in everything
    assert b"argon2" not in everything


def test_what_is_not_as_it_must_be_is_refused(
    whole_platform: Platform, leaving: Tenant, tmp_path: Path
) -> None:
    told, silent = read_installation(whole_platform.backup_environment()), Progress(None)
    with pytest.raises(TenantError, match=f"crm tenant suspend {leaving.slug}"):
        asyncio.run(remove(told, leaving.slug, silent))
    with pytest.raises(TenantError, match="no tenant nosuch"):
        asyncio.run(export(told, "nosuch", str(tmp_path / "none.zip"), silent))
    (tmp_path / "there.zip").touch()
    with pytest.raises(TenantError, match="exists"):
        asyncio.run(export(told, leaving.slug, str(tmp_path / "there.zip"), silent))
    with pytest.raises(TenantError, match="--confirm"):
        delete(leaving.slug)
    assert [one.name for one in tmp_path.iterdir()] == ["there.zip"]
    assert leaving.count("customers") == 42


def test_a_deleted_tenant_is_nowhere_and_its_neighbour_untouched(
    crm: Crm, whole_platform: Platform, leaving: Tenant, staying: Tenant
) -> None:
    operate(whole_platform, "SuspendTenant", pb.SuspendTenantRequest(slug=leaving.slug))
    silent = [stream for stream, count in messages(whole_platform, leaving.id).items() if not count]
    assert silent == ["CRM_REPORTING"]
    heard = messages(whole_platform, staying.id)
    before = eventually(lambda: settled(whole_platform, staying))
    killed_midway(whole_platform, leaving)
    assert asked(whole_platform, "sales", mentions, leaving.id), "killed before it was done"
    done = crm("tenant", "delete", leaving.slug, "--confirm", leaving.slug)
    assert "is gone" in done.stderr, done.stderr
    assert "sales" in done.stderr
    for service in SERVICES:
        left = asked(whole_platform, service, mentions, leaving.id, leaving.slug)
        assert left == {}, service
    assert not any(messages(whole_platform, leaving.id).values())
    assert not list(whole_platform.run_dir.glob(f"blobs/*/{leaving.id}"))
    assert (whole_platform.run_dir / "log-roots" / leaving.id / "ended").exists()
    assert leaving.http.get("/v1/customers").status_code == 401

    assert all_prints(whole_platform, staying) == before
    assert messages(whole_platform, staying.id) == heard
    assert groups(staying) == 1
    verified = as_dict(staying.post("logEntries:verify", {}))
    assert verified["intact"], verified
    again_there(whole_platform, leaving)


def killed_midway(platform: Platform, tenant: Tenant) -> None:
    """Begin to delete, and kill it while it waits for a row of sales that somebody holds."""
    environment: Mapping[str, str] = {**os.environ, "RUN_DIR": str(platform.run_dir)}
    arguments = ("tenant", "delete", tenant.slug, "--confirm", tenant.slug)

    async def held(connection: asyncpg.Connection) -> None:
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        async with connection.transaction():
            await connection.execute(
                "SELECT FROM base.opportunity WHERE tenant_id = $1 FOR UPDATE", tenant.id
            )
            running = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "cli.main", *arguments,
                env=environment, cwd=ROOT, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            try:
                while not await connection.fetchval(waits):
                    assert running.returncode is None
                    await asyncio.sleep(0.05)
            finally:
                running.kill()
                await running.wait()

    asked(platform, "sales", held)


def again_there(platform: Platform, gone: Tenant) -> None:
    """Somebody new has the short name, and nothing of what was."""
    request = pb.CreateTenantRequest(
        slug=gone.slug, name="new", admin_login="admin", admin_email=gone.email,
        admin_password=PASSWORD,
    )  # fmt: skip
    made = operate(platform, "CreateTenant", request)
    assert made.id != gone.id
    new = signed_in(gone.url, gone.slug, made.id, gone.email)
    new.create("customers", name="First")
    assert (new.count("customers"), new.count("opportunities"), groups(new)) == (1, 0, 0)
    new.http.close()
