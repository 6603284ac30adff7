"""Tenants; the tenant's id is its tenant_id."""

from sqlalchemy import BigInteger, Column, DateTime, Index, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from services.identity.models import metadata

tenant = Table(
    "tenant",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id"),
    Index("uq_tenant_slug", "slug", unique=True),
)
