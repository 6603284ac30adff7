"""Tenants; the tenant's id is its tenant_id."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)
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
    Column("password_length_min", SmallInteger, nullable=False, server_default="10"),
    Column("second_factor_required", Boolean, nullable=False, server_default="false"),
    Column("retention_days", SmallInteger, nullable=False, server_default="30"),
    Column("language", Text, nullable=False, server_default="zh"),
    Column("address", Text, nullable=False, server_default=""),
    Column("contact_name", Text, nullable=False, server_default=""),
    Column("contact_phone", Text, nullable=False, server_default=""),
    Column("contact_email", Text, nullable=False, server_default=""),
    Column("fiscal_year_start_month", SmallInteger, nullable=False, server_default="1"),
    Column("state", Text, nullable=False, server_default="ACTIVE"),
    Column("version", BigInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id"),
    CheckConstraint("state IN ('ACTIVE','SUSPENDED')", name="state"),
    Index("uq_tenant_slug", "slug", unique=True),
)
