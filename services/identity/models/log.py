"""The operation log: its entries by month, the head of each tenant's chain, the signed roots.

The runtime role may add to entries and roots and read them, no more.
"""

from sqlalchemy import BigInteger, Column, DateTime, Index, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.db.wall import APPEND_ONLY
from services.identity.models import metadata

log_entry = Table(
    "log_entry",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    # That of the event which it records.
    Column("id", UUID(as_uuid=False), nullable=False),
    # From 1, without a gap in a tenant.
    Column("sequence", BigInteger, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    # When it came into the log: never before that of the sequence before it.
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("record_id", UUID(as_uuid=False), nullable=False),
    Column("record_version", BigInteger, nullable=False),
    Column("changed_fields", ARRAY(Text), nullable=False),
    Column("through", Text, nullable=False),
    Column("cause_id", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("detail", Text, nullable=False),
    # These three may be erased: the chain covers them by `personal_hash` alone.
    Column("label", Text, nullable=False),
    Column("ip", Text, nullable=False),
    Column("salt", Text, nullable=False),
    Column("personal_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "id", "create_time"),
    Index("ix_log_entry_sequence", "tenant_id", "sequence"),
    Index("ix_log_entry_time", "tenant_id", "time"),
    Index("ix_log_entry_actor", "tenant_id", "actor_id", "time"),
    Index("ix_log_entry_action", "tenant_id", "action", "time"),
    Index("ix_log_entry_service", "tenant_id", "service", "time"),
    Index("ix_log_entry_resource", "tenant_id", "resource", "time"),
    Index("ix_log_entry_record", "tenant_id", "record_id", "time"),
    Index("ix_log_entry_through", "tenant_id", "through", "time"),
    postgresql_partition_by="RANGE (create_time)",
    info=APPEND_ONLY,
)

log_head = Table(
    "log_head",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    # The last entry that a signed root covers, and when that was signed.
    Column("root_sequence", BigInteger, nullable=False),
    Column("root_hash", Text, nullable=False),
    Column("root_time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id"),
)

log_root = Table(
    "log_root",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("first_sequence", BigInteger, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    # JSON Web Signature (RFC 7515) over all that the root says, these columns included.
    Column("statement", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "last_sequence"),
    info=APPEND_ONLY,
)
