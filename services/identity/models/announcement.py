"""Announcements, and who has read them."""

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.db.indexes import list_indexes
from chassis.db.schema import resource_columns, resource_constraints
from chassis.search.table import search_table
from services.identity.models import metadata

announcement = Table(
    "announcement",
    metadata,
    *resource_columns(owned=True),
    Column("title", Text, nullable=False),
    Column("body", Text),
    Column("audience_department_ids", ARRAY(UUID(as_uuid=False)), nullable=False),
    Column("audience_role_ids", ARRAY(UUID(as_uuid=False)), nullable=False),
    Column("publish_time", DateTime(timezone=True), nullable=False),
    Column("expire_time", DateTime(timezone=True)),
    Column("pinned", Boolean, nullable=False),
    *resource_constraints("announcement"),
    ForeignKeyConstraint(
        ["tenant_id", "owner_id"],
        ["user.tenant_id", "user.id"],
        name="fk_announcement_tenant_id_owner_id",
    ),
    Index(
        "ix_announcement_shown",
        "tenant_id",
        "pinned",
        "publish_time",
        postgresql_where=text("delete_time IS NULL"),
    ),
)
list_indexes(
    announcement,
    orderable=("publish_time", "title"),
    filterable=("pinned", "expire_time"),
)
search_table(announcement)

announcement_receipt = Table(
    "announcement_receipt",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("announcement_id", UUID(as_uuid=False), nullable=False),
    Column("user_id", UUID(as_uuid=False), nullable=False),
    Column("read_time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id", "announcement_id", "user_id"),
    ForeignKeyConstraint(
        ["tenant_id", "announcement_id"],
        ["announcement.tenant_id", "announcement.id"],
        name="fk_announcement_receipt_tenant_id_announcement_id",
        ondelete="CASCADE",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "user_id"],
        ["user.tenant_id", "user.id"],
        name="fk_announcement_receipt_tenant_id_user_id",
        ondelete="CASCADE",
    ),
    Index("ix_announcement_receipt_user_id", "tenant_id", "user_id"),
)
