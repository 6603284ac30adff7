"""Monthly partitions by `create_time`: functions of the owner make and drop them, the worker may
call them.
"""

import re

from sqlalchemy import Connection

_NAME = re.compile(r"^(ix_|pk_)?(change|log_entry)_(\d{4}_\d{2}|default)")

# The default partition catches rows whose month has none yet, so a late job never refuses a write.
_ENSURE = """
CREATE OR REPLACE FUNCTION base.ensure_partitions(months integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = base AS $$
DECLARE
    parent text;
    month date;
    name text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['change', 'log_entry'] LOOP
        CONTINUE WHEN to_regclass('base.' || parent) IS NULL;
        FOR i IN 0..months LOOP
            month := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => i);
            name := parent || to_char(month, '_YYYY_MM');
            CONTINUE WHEN to_regclass('base.' || name) IS NOT NULL;
            EXECUTE format('CREATE TABLE base.%I PARTITION OF base.%I FOR VALUES FROM (%L) TO (%L)',
                name, parent, month, (month + interval '1 month')::date);
        END LOOP;
        CONTINUE WHEN to_regclass('base.' || parent || '_default') IS NOT NULL;
        EXECUTE format('CREATE TABLE base.%I PARTITION OF base.%I DEFAULT',
            parent || '_default', parent);
    END LOOP;
END $$
"""
# Whatever it is asked for, half a year stays.
_DROP = """
CREATE OR REPLACE FUNCTION base.drop_partition(parent text, month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = base AS $$
BEGIN
    IF month + interval '1 month' > now() - interval '180 days' THEN
        RAISE EXCEPTION 'partitions are kept for 180 days at least';
    END IF;
    EXECUTE format('DROP TABLE base.%I', parent || to_char(month, '_YYYY_MM'));
END $$
"""
_RIGHTS = ("ensure_partitions(integer)", "drop_partition(text, date)")


def build_partitions(connection: Connection, service: str) -> None:
    """Create the functions and the partitions of this month and the next two; repeatable."""
    connection.exec_driver_sql(_ENSURE)
    connection.exec_driver_sql(_DROP)
    for function in _RIGHTS:
        connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION base.{function} FROM PUBLIC")
        worker = f"crm_{service}_worker"
        connection.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION base.{function} TO {worker}")
    connection.exec_driver_sql("SELECT base.ensure_partitions(2)")


def is_partition(name: str) -> bool:
    """Whether a table or index belongs to one month's partition."""
    return _NAME.match(name) is not None
