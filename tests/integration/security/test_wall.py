"""The database's own wall between tenants: rights and views, read from the catalogue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.platform import Platform
from tests.integration.drive import Person
from tests.integration.security.ground import Ground
from tests.integration.security.wire import SERVICES

Role = Literal["owner", "runtime", "worker"]
ALL = ["DELETE", "INSERT", "SELECT", "UPDATE"]
# What the runtime role may not do all with.
RUNTIME = {
    "log_entry": ["INSERT", "SELECT"],
    "log_root": ["INSERT", "SELECT"],
    "number_series": ["SELECT"],
}
# What the worker may do beyond reading.
WORKER = {
    "operation": ["DELETE", "UPDATE"],
    "operation_error": ["DELETE"],
    "operation_later": ["DELETE"],
    "operation_item": ["DELETE"],
    "idempotency": ["DELETE"],
    "inbox": ["DELETE"],
    "parked": ["DELETE", "INSERT"],
    "consumer_boot": ["DELETE", "INSERT", "UPDATE"],
    "number_series": ["INSERT", "UPDATE"],
}
RELATIONS = """
    select n.nspname as schema, c.relname as name, c.relkind::text as kind,
        pg_get_userbyid(c.relowner) as owner, c.relispartition as part,
        exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')
            as walled,
        pg_get_viewdef(c.oid) as definition, c.reloptions as options
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'v', 'p', 'm', 'f') and n.nspname not like 'pg\\_%'
        and n.nspname <> 'information_schema'
"""
RIGHTS = """
    select privilege from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE',
        'REFERENCES', 'TRIGGER']) privilege
    where has_table_privilege($1, format('%I.%I', $2::text, $3::text), privilege) order by privilege
"""


@asynccontextmanager
async def connected(
    platform: Platform, service: str, role: Role
) -> AsyncIterator[asyncpg.Connection]:
    """A connection in one role."""
    connection = await asyncpg.connect(platform.database_url(service, role))
    try:
        yield connection
    finally:
        await connection.close()


async def rights(connection: asyncpg.Connection, role: str, relation: asyncpg.Record) -> list[str]:
    """What a role may do to a table or view."""
    rows = await connection.fetch(RIGHTS, role, relation["schema"], relation["name"])
    return [row["privilege"] for row in rows]


@pytest.mark.parametrize("service", SERVICES)
async def test_rights_and_views(domain_platform: Platform, service: str) -> None:
    runtime, worker, owner = f"crm_{service}", f"crm_{service}_worker", f"crm_{service}_owner"
    async with connected(domain_platform, service, "owner") as connection:
        relations = await connection.fetch(RELATIONS)
        views = {one["name"]: one for one in relations if one["schema"] == "tenant"}
        tables = [one for one in relations if one["schema"] == "base"]
        assert {one["schema"] for one in relations} == {"base", "tenant"}
        assert {one["owner"] for one in relations} == {owner}, "runtime and worker own nothing"
        assert {one["kind"] for one in views.values()} == {"v"}
        for one in views.values():
            definition = str(one["definition"])
            assert "current_setting('crm.tenant'" in definition, one["name"]
            assert one["options"] == ["check_option=local"], one["name"]
            given = RUNTIME.get(one["name"], ALL)
            assert await rights(connection, runtime, one) == given, one["name"]
            assert await rights(connection, worker, one) == []
        for one in tables:
            assert await rights(connection, runtime, one) == [], one["name"]
            if one["walled"] and not one["part"]:
                assert one["name"] in views, f"{one['name']} has tenants and no view"
            if not one["part"]:
                beyond = set(await rights(connection, worker, one)) - {"SELECT"}
                assert sorted(beyond) == WORKER.get(one["name"], []), one["name"]


@pytest.mark.parametrize("service", SERVICES)
async def test_roles_have_no_powers_of_their_own(domain_platform: Platform, service: str) -> None:
    async with connected(domain_platform, service, "owner") as connection:
        for role in (f"crm_{service}", f"crm_{service}_worker"):
            row = await connection.fetchrow(
                "select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication"
                " from pg_roles where rolname = $1",
                role,
            )
            assert row is not None
            assert not any(row.values()), role
            member = "select 1 from pg_auth_members where member = $1::regrole"
            assert await connection.fetchrow(member, role) is None, "nor those of others"
            for schema in ("base", "tenant", "public"):
                may = "select has_schema_privilege($1, $2, 'CREATE')"
                assert not await connection.fetchval(may, role, schema)
        runtime = f"crm_{service}"
        assert not await connection.fetchval(
            "select has_schema_privilege($1, 'base', 'USAGE')", runtime
        )
        for other in SERVICES:
            if other != service:
                may = "select has_database_privilege($1, $2, 'CONNECT')"
                assert not await connection.fetchval(may, f"crm_{other}", f"crm_{service}")


@pytest.mark.parametrize("service", SERVICES)
async def test_no_tenant_no_rows(domain_platform: Platform, service: str, victim: Person) -> None:
    assert victim.id
    async with connected(domain_platform, service, "runtime") as connection:
        views = await connection.fetch(
            "select table_name from information_schema.views where table_schema = 'tenant'"
        )
        assert views
        for setting in ("", str(uuid4())):
            await connection.execute("select set_config('crm.tenant', $1, false)", setting)
            for row in views:
                count = f'select count(*) from tenant."{row["table_name"]}"'  # noqa: S608  # our own view
                assert await connection.fetchval(count) == 0, row["table_name"]
        for statement in (
            "select 1 from base.change",
            "set role postgres",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_a_foreign_row_cannot_be_written(
    domain_platform: Platform, a: Ground, b: Ground
) -> None:
    insert = """
        insert into tenant.department (tenant_id, id, version, create_time, update_time, name)
        values ($1, $2, 1, now(), now(), 'x')
    """
    async with connected(domain_platform, "identity", "runtime") as connection:
        for setting in ("", b.person.tenant_id):
            await connection.execute("select set_config('crm.tenant', $1, false)", setting)
            with pytest.raises(asyncpg.WithCheckOptionViolationError):
                await connection.execute(insert, a.person.tenant_id, uuid4())
            done = await connection.execute(
                "update tenant.department set name = 'x' where tenant_id = $1", a.person.tenant_id
            )
            assert done == "UPDATE 0"
            assert (
                await connection.execute("delete from tenant.department where name = '部门 aa'")
                == "DELETE 0"
            )
        await connection.execute("select set_config('crm.tenant', $1, false)", b.person.tenant_id)
        with pytest.raises(asyncpg.WithCheckOptionViolationError):
            await connection.execute(
                "update tenant.department set tenant_id = $1", a.person.tenant_id
            )
