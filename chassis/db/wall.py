"""The tenant wall for migrations: views of one tenant for the runtime role, base tables only for
owner and worker.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, MetaData, Table

SETTING = "NULLIF(current_setting('crm.tenant', true), '')::uuid"
# The `info` of a table whose rows the runtime role may add and read, never change or remove.
APPEND_ONLY = {"runtime": "SELECT, INSERT"}


def build_wall(connection: Connection, service: str, metadata: MetaData) -> None:
    """Create or replace the view of every table that has a tenant and set all rights;
    repeatable.
    """
    runtime, worker = f"crm_{service}", f"crm_{service}_worker"
    statements = [
        f"GRANT USAGE ON SCHEMA tenant TO {runtime}",
        f"GRANT USAGE ON SCHEMA base TO {worker}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA base FROM {runtime}, {worker}, PUBLIC",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA base TO {worker}",
    ]
    for table in metadata.sorted_tables:
        if "tenant_id" in table.c:
            statements += _view(table, runtime)
    statements += _worker_rights(metadata.tables.values(), worker)
    for statement in statements:
        connection.exec_driver_sql(statement)


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
