"""Secrets of authenticators (sealed) and what is left of the recovery codes (hashes)."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from services.identity.models import metadata

second_factor = Table(
    "second_factor",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("user_id", UUID(as_uuid=False), nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),
    # The 30-second step of the last code accepted: none is accepted twice (RFC 6238, 5.2).
    Column("last_step", BigInteger, nullable=False),
    Column("recovery_hashes", ARRAY(Text), nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    # Not set until a first code was right; until then it is no second factor.
    Column("confirm_time", DateTime(timezone=True)),
    PrimaryKeyConstraint("tenant_id", "user_id"),
    ForeignKeyConstraint(
        ["tenant_id", "user_id"],
        ["user.tenant_id", "user.id"],
        name="fk_second_factor_tenant_id_user_id",
    ),
)
