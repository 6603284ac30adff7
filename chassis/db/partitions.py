"""Monthly partitions of the change table: a function of the owner makes them, the worker may call
it.
"""

import re

from sqlalchemy import Connection

_NAME = re.compile(r"^(ix_|pk_)?change_(\d{4}_\d{2}|default)")

# The default partition catches rows whose month has none yet, so a late job never refuses a write.
_FUNCTION = """
CREATE OR REPLACE FUNCTION base.ensure_change_partitions(months integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = base AS $$
DECLARE
    start date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    month date;
    name text;
BEGIN
    FOR i IN 0..months LOOP
        month := (start + make_interval(months => i))::date;
        name := 'change_' || to_char(month, 'YYYY_MM');
        IF to_regclass('base.' || name) IS NULL THEN
            EXECUTE format('CREATE TABLE base.%I PARTITION OF base.change'
                ' FOR VALUES FROM (%L) TO (%L)', name, month, (month + interval '1 month')::date);
        END IF;
    END LOOP;
END $$
"""


def build_partitions(connection: Connection, service: str) -> None:
    """Create the function, the default partition and those of this month and the next two;
    repeatable.
    """
    if connection.exec_driver_sql("SELECT to_regclass('base.change')").scalar() is None:
        return
    for statement in (
        _FUNCTION,
        "REVOKE ALL ON FUNCTION base.ensure_change_partitions(integer) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION base.ensure_change_partitions(integer) TO crm_{service}_worker",
        "SELECT base.ensure_change_partitions(2)",
        "CREATE TABLE IF NOT EXISTS base.change_default PARTITION OF base.change DEFAULT",
    ):
        connection.exec_driver_sql(statement)


def is_partition(name: str) -> bool:
    """Whether a table or index belongs to one month's partition."""
    return _NAME.match(name) is not None
