"""Stage moves: which version of an opportunity brought it from which stage into which."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Table,
)
from sqlalchemy.dialects.postgresql import UUID

from services.sales.models import metadata

stage_move = Table(
    "stage_move",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("opportunity_id", UUID(as_uuid=False), nullable=False),
    # Orders the moves of one opportunity; clocks of callers who waited for each other do not.
    Column("version", BigInteger, nullable=False),
    Column("from_stage_id", UUID(as_uuid=False)),
    Column("to_stage_id", UUID(as_uuid=False), nullable=False),
    Column("user_id", UUID(as_uuid=False)),
    Column("time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id", "opportunity_id", "version"),
    ForeignKeyConstraint(
        ["tenant_id", "opportunity_id"],
        ["opportunity.tenant_id", "opportunity.id"],
        name="fk_stage_move_tenant_id_opportunity_id",
        ondelete="CASCADE",
    ),
)
