"""Sums over all living opportunities of a tenant, one row per dimension, key and currency."""

from sqlalchemy import BigInteger, Column, Numeric, PrimaryKeyConstraint, Table
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.types import Text

from services.reporting.models import metadata

COUNTS = ("count", "won_count", "lost_count")
AMOUNTS = ("amount", "won_amount", "lost_amount")
MEASURES = ("count", "amount", "won_count", "won_amount", "lost_count", "lost_amount")

pipeline_rollup = Table(
    "pipeline_rollup",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("dimension", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("currency", Text, nullable=False),
    *[Column(name, BigInteger, nullable=False) for name in COUNTS],
    *[Column(name, Numeric, nullable=False) for name in AMOUNTS],
    PrimaryKeyConstraint("tenant_id", "dimension", "key", "currency"),
)
