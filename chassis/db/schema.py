"""The tables that every service has beside its own, and the columns that every resource row has."""

from datetime import datetime
from typing import Any  # the reason stands where it is used

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INT8MULTIRANGE, JSON, JSONB, UUID

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
LANE_INTERACTIVE = 0
LANE_BULK = 1
SCOPE_COLUMNS = ("owner_id", "department_id", "partner_company_id")


def new_metadata() -> MetaData:
    """Metadata with our constraint names, to which the tables of one service belong."""
    return MetaData(naming_convention=NAMING)


def _id(name: str = "id", *, nullable: bool = False) -> Column[str]:
    return Column(name, UUID(as_uuid=False), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def resource_columns(*, owned: bool) -> list[Column[Any]]:  # Any: columns of several types
    """The columns of every resource row; `owned` adds the three that row scope needs."""
    columns: list[Column[Any]] = [  # Any: columns of several types
        _id("tenant_id"),
        _id(),
        Column("version", BigInteger, nullable=False),
        _time("create_time"),
        _time("update_time"),
        _time("delete_time", nullable=True),
        _time("purge_time", nullable=True),
        _id("creator_id", nullable=True),
        _id("updater_id", nullable=True),
        Column("external_source", Text),
        Column("external_id", Text),
        # By the id of the field's definition, which outlives its name.
        Column("custom_fields", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
        Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    ]
    if owned:
        columns += [
            _id("owner_id", nullable=True),
            _id("department_id", nullable=True),
            _id("partner_company_id", nullable=True),
        ]
    return columns


def resource_constraints(name: str) -> tuple[PrimaryKeyConstraint | Index, ...]:
    """Primary key and the indexes that every resource has: external ids, unique also in the recycle
    bin; the recycle bin; tags.
    """
    return (
        PrimaryKeyConstraint("tenant_id", "id"),
        Index(
            f"uq_{name}_external",
            *("tenant_id", "external_source", "external_id"),
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        Index(
            f"ix_{name}_delete_time",
            *("tenant_id", "delete_time", "id"),
            postgresql_where=text("delete_time IS NOT NULL"),
        ),
        Index(
            f"ix_{name}_tags",
            "tenant_id",
            "tags",
            postgresql_using="gin",
            postgresql_where=text("cardinality(tags) > 0"),
        ),
    )


def chassis_tables(metadata: MetaData) -> dict[str, Table]:
    """Declare the shared tables in a service's metadata; by name."""
    declare = (
        _change,
        _idempotency,
        _inbox,
        _consumer_position,
        _parked,
        _consumer_boot,
        _reference,
        _access_record,
        _share,
        _operation,
        _operation_error,
        _operation_later,
        _operation_item,
        _number_series,
    )
    return {table.name: table for table in (one(metadata) for one in declare)}


def _change(metadata: MetaData) -> Table:
    return Table(
        "change",
        metadata,
        _id("tenant_id"),
        _id(),
        Column("seq", BigInteger, Identity(always=True), nullable=False),
        Column("resource", Text, nullable=False),
        _id("record_id"),
        Column("version", BigInteger, nullable=False),
        Column("event", Text, nullable=False),
        Column("actor_id", Text, nullable=False),
        Column("through", Text, nullable=False),
        Column("cause_id", Text, nullable=False),
        Column("request_id", Text, nullable=False),
        Column("traceparent", Text, nullable=False),
        # JSON as text: written once, read whole, never searched.
        Column("changes", JSON, nullable=False),
        Column("representation", JSON),
        Column("lane", SmallInteger, nullable=False),
        _time("create_time"),
        _time("publish_time", nullable=True),
        PrimaryKeyConstraint("tenant_id", "id", "create_time"),
        Index("ix_change_record", "tenant_id", "record_id", "version"),
        Index("ix_change_create_time", "create_time", postgresql_using="brin"),
        Index(
            "ix_change_unpublished",
            *("lane", "tenant_id", "seq"),
            postgresql_where=text("publish_time IS NULL"),
        ),
        postgresql_partition_by="RANGE (create_time)",
    )


def _idempotency(metadata: MetaData) -> Table:
    return Table(
        "idempotency",
        metadata,
        _id("tenant_id"),
        Column("principal_id", Text, nullable=False),
        Column("method", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("fingerprint", Text, nullable=False),
        _id("record_id"),
        # All records of a batch, in the order of its request.
        Column("record_ids", ARRAY(UUID(as_uuid=False))),
        Column("version", BigInteger, nullable=False),
        _time("create_time"),
        PrimaryKeyConstraint("tenant_id", "principal_id", "method", "key"),
        Index("ix_idempotency_create_time", "create_time"),
    )


def _inbox(metadata: MetaData) -> Table:
    return Table(
        "inbox",
        metadata,
        _id("tenant_id"),
        Column("consumer", Text, nullable=False),
        _id("event_id"),
        _time("create_time"),
        PrimaryKeyConstraint("tenant_id", "consumer", "event_id"),
        Index("ix_inbox_create_time", "create_time"),
    )


def _consumer_position(metadata: MetaData) -> Table:
    return Table(
        "consumer_position",
        metadata,
        _id("tenant_id"),
        Column("consumer", Text, nullable=False),
        Column("resource", Text, nullable=False),
        _id("record_id"),
        Column("version", BigInteger, nullable=False),
        PrimaryKeyConstraint("tenant_id", "consumer", "resource", "record_id"),
    )


def _parked(metadata: MetaData) -> Table:
    return Table(
        "parked",
        metadata,
        _id("tenant_id"),
        Column("consumer", Text, nullable=False),
        _id("event_id"),
        Column("resource", Text, nullable=False),
        _id("record_id"),
        Column("version", BigInteger, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("data", JSONB, nullable=False),
        Column("reason", Text, nullable=False),
        _time("create_time"),
        PrimaryKeyConstraint("tenant_id", "consumer", "event_id"),
        Index("ix_parked_record", "tenant_id", "consumer", "resource", "record_id"),
    )


def _consumer_boot(metadata: MetaData) -> Table:
    return Table(
        "consumer_boot",
        metadata,
        Column("consumer", Text, nullable=False),
        Column("resource", Text, nullable=False),
        Column("after", Text, nullable=False),
        _time("finish_time", nullable=True),
        PrimaryKeyConstraint("consumer", "resource"),
    )


def _reference(metadata: MetaData) -> Table:
    return Table(
        "reference",
        metadata,
        _id("tenant_id"),
        Column("resource", Text, nullable=False),
        _id(),
        Column("version", BigInteger, nullable=False),
        Column("label", Text, nullable=False),
        Column("data", JSONB, nullable=False),
        _time("delete_time", nullable=True),
        PrimaryKeyConstraint("tenant_id", "resource", "id"),
    )


def _access_record(metadata: MetaData) -> Table:
    return Table(
        "access_record",
        metadata,
        _id("tenant_id"),
        Column("kind", Text, nullable=False),
        _id(),
        Column("version", BigInteger, nullable=False),
        Column("data", JSONB, nullable=False),
        PrimaryKeyConstraint("tenant_id", "kind", "id"),
    )


def _share(metadata: MetaData) -> Table:
    """Records of this service that are shared beyond the scopes of roles; the grantee is a user or
    a department.
    """
    return Table(
        "share",
        metadata,
        _id("tenant_id"),
        _id(),
        Column("resource", Text, nullable=False),
        _id("record_id"),
        Column("grantee_kind", Text, nullable=False),
        _id("grantee_id"),
        Column("level", Text, nullable=False),
        Column("creator_id", Text, nullable=False),
        _time("create_time"),
        PrimaryKeyConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "resource", "record_id", "grantee_id"),
        CheckConstraint("grantee_kind IN ('USER','DEPARTMENT')", name="grantee_kind"),
        CheckConstraint("level IN ('READ','WRITE')", name="level"),
        Index("ix_share_grantee", "tenant_id", "grantee_id", "resource", "level", "record_id"),
    )


def _operation(metadata: MetaData) -> Table:
    return Table(
        "operation",
        metadata,
        _id("tenant_id"),
        Column("id", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("principal_id", Text, nullable=False),
        Column("key", Text, nullable=False, server_default=""),
        Column("fingerprint", Text, nullable=False, server_default=""),
        Column("state", Text, nullable=False),
        Column("request", JSONB, nullable=False),
        Column("progress", JSONB, nullable=False),
        Column("error", JSONB),
        Column("cancel_requested", SmallInteger, nullable=False, server_default="0"),
        Column("attempts", SmallInteger, nullable=False, server_default="0"),
        Column("worker", Text, nullable=False, server_default=""),
        _time("lease_time", nullable=True),
        _time("create_time"),
        _time("update_time"),
        PrimaryKeyConstraint("tenant_id", "id"),
        UniqueConstraint("id"),
        CheckConstraint(
            "state IN ('PENDING','RUNNING','SUCCEEDED','FAILED','CANCELLED')", name="state"
        ),
        Index("ix_operation_open", "state", "lease_time"),
        Index("ix_operation_principal", "tenant_id", "principal_id", "create_time"),
        Index(
            "uq_operation_key",
            *("tenant_id", "principal_id", "key"),
            unique=True,
            postgresql_where=text("key <> ''"),
        ),
    )


def _operation_error(metadata: MetaData) -> Table:
    """Why rows of an operation were refused."""
    return Table(
        "operation_error",
        metadata,
        _id("tenant_id"),
        Column("operation_id", Text, nullable=False),
        Column("row_number", BigInteger, nullable=False),
        Column("position", SmallInteger, nullable=False),
        Column("column_name", Text, nullable=False),
        Column("reason", Text, nullable=False),
        PrimaryKeyConstraint("tenant_id", "operation_id", "row_number", "position"),
    )


def _operation_later(metadata: MetaData) -> Table:
    """Rows that an import has put off to its end, by where they stand in the file."""
    return Table(
        "operation_later",
        metadata,
        _id("tenant_id"),
        Column("operation_id", Text, nullable=False),
        Column("row_number", BigInteger, nullable=False),
        Column("start", BigInteger, nullable=False),
        Column("length", BigInteger, nullable=False),
        PrimaryKeyConstraint("tenant_id", "operation_id", "row_number"),
    )


def _operation_item(metadata: MetaData) -> Table:
    """The records of a bulk change, fixed before it begins, and what became of each."""
    return Table(
        "operation_item",
        metadata,
        _id("tenant_id"),
        Column("operation_id", Text, nullable=False),
        _id("record_id"),
        Column("outcome", Text, nullable=False),
        Column("version", BigInteger),
        Column("label", Text, nullable=False),
        Column("reason", Text, nullable=False),
        PrimaryKeyConstraint("tenant_id", "operation_id", "record_id"),
    )


def _number_series(metadata: MetaData) -> Table:
    """How far each series of numbers has come, and which of them it has given itself."""
    return Table(
        "number_series",
        metadata,
        _id("tenant_id"),
        Column("name", Text, nullable=False),
        Column("last", BigInteger, nullable=False),
        Column("given", INT8MULTIRANGE, nullable=False),
        PrimaryKeyConstraint("tenant_id", "name"),
        info={"runtime": "SELECT"},
    )
