"""Preferences, one row for each user who has set any."""

from sqlalchemy import Column, DateTime, ForeignKeyConstraint, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import JSON, UUID

from services.identity.models import metadata

preferences = Table(
    "preferences",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("user_id", UUID(as_uuid=False), nullable=False),
    Column("language", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("theme", Text, nullable=False),
    Column("density", Text, nullable=False),
    Column("font_size", Text, nullable=False),
    Column("accent_colour", Text, nullable=False),
    Column("start_page", Text, nullable=False),
    # The web client's own, written and read whole.
    Column("client", JSON, nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id", "user_id"),
    ForeignKeyConstraint(
        ["tenant_id", "user_id"],
        ["user.tenant_id", "user.id"],
        name="fk_preferences_tenant_id_user_id",
        ondelete="CASCADE",
    ),
)
