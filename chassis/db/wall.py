"""The tenant wall for migrations: two schemas, views of one tenant for the runtime role, base
tables only for owner and worker.
"""

from collections.abc import Iterable
from zlib import crc32

from sqlalchemy import Connection, MetaData, Table

SETTING = "NULLIF(current_setting('crm.tenant', true), '')::uuid"
# The `info` of a table whose rows the runtime role may add and read, never change or remove.
APPEND_ONLY = {"runtime": "SELECT, INSERT"}
_COMMENTS = """
    SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
    WHERE relnamespace = 'tenant'::regnamespace AND relkind = 'v'
"""


def schemas(database: str, owner: str, runtime: str, worker: str) -> list[str]:
    """Statements that make the schemas of a database, for its owner to run; repeatable.

    One search path serves all, since a role passes over schemas that are closed to it; the owner,
    to whom both are open, works on the tables.
    """
    return [
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {database} TO {runtime}, {worker}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"CREATE SCHEMA IF NOT EXISTS base AUTHORIZATION {owner}",
        f"CREATE SCHEMA IF NOT EXISTS tenant AUTHORIZATION {owner}",
        f"GRANT USAGE ON SCHEMA base TO {worker}",
        f"GRANT USAGE ON SCHEMA tenant TO {runtime}",
        "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA base",
        "CREATE EXTENSION IF NOT EXISTS btree_gin SCHEMA base",
        f"ALTER DATABASE {database} SET search_path = tenant, base",
        f"ALTER ROLE {owner} IN DATABASE {database} SET search_path = base",
    ]


def set_rights(connection: Connection, service: str, metadata: MetaData) -> None:
    """Set all rights on tables; repeatable."""
    runtime, worker = f"crm_{service}", f"crm_{service}_worker"
    statements = [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA base FROM {runtime}, {worker}, PUBLIC",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA base TO {worker}",
        *_worker_rights(metadata.tables.values(), worker),
    ]
    for statement in statements:
        connection.exec_driver_sql(statement)


def missing_views(connection: Connection, service: str, metadata: MetaData) -> list[list[str]]:
    """For each table with a tenant whose view is not as declared: what makes it so, to be run in a
    transaction of its own. A view that requests use is locked for that moment, and only that one.
    """
    told = {str(name): stamp for name, stamp in connection.exec_driver_sql(_COMMENTS)}
    found = []
    for table in metadata.sorted_tables:
        if "tenant_id" in table.c:
            statements = _view(table, f"crm_{service}")
            stamp = f"{crc32(';'.join(statements).encode()):08x}"
            if told.get(table.name) != stamp:
                comment = f"COMMENT ON VIEW tenant.\"{table.name}\" IS '{stamp}'"
                found.append([*statements, comment])
    return found


def _view(table: Table, runtime: str) -> list[str]:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    rights = table.info.get("runtime", "SELECT, INSERT, UPDATE, DELETE")
    return [
        f'DROP VIEW IF EXISTS tenant."{table.name}"',
        (
            f'CREATE VIEW tenant."{table.name}" AS SELECT {columns} FROM base."{table.name}"'  # noqa: S608  # names of our own tables
            f" WHERE tenant_id = {SETTING} WITH LOCAL CHECK OPTION"
        ),
        f'GRANT {rights} ON tenant."{table.name}" TO {runtime}',
    ]


def _worker_rights(tables: Iterable[Table], worker: str) -> list[str]:
    """The worker marks, leases and clears what is the chassis's own; business rows it
    only reads.
    """
    rights = {
        "change": "UPDATE (publish_time, representation)",
        "operation": "UPDATE, DELETE",
        "operation_error": "DELETE",
        "operation_later": "DELETE",
        "operation_item": "DELETE",
        "idempotency": "DELETE",
        "inbox": "DELETE",
        "parked": "INSERT, DELETE",
        "consumer_boot": "INSERT, UPDATE, DELETE",
        "number_series": "INSERT, UPDATE",
    }
    names = {table.name for table in tables}
    return [
        f'GRANT {right} ON base."{name}" TO {worker}'
        for name, right in rights.items()
        if name in names
    ]
