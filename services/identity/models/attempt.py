"""Failed attempts to prove who one is, by what they were made at."""

from sqlalchemy import Column, DateTime, Index, Integer, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from services.identity.models import metadata

# Rows are of no tenant (domain.attempt): names that belong to nobody are counted like others.
attempt = Table(
    "attempt",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("key_hash", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id", "key_hash"),
    Index("ix_attempt_last_time", "last_time"),
)
