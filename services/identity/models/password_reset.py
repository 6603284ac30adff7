"""Links to set a password: who asked for one, the mails to send, and the tokens sent."""

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import UUID

from services.identity.models import metadata

# Asked for by somebody who is not signed in, not looked up yet: of no tenant (domain.attempt).
reset_request = Table(
    "reset_request",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("id", UUID(as_uuid=False), nullable=False),
    Column("name_kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("slug", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
)

mail = Table(
    "mail",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("id", UUID(as_uuid=False), nullable=False),
    Column("user_id", UUID(as_uuid=False), nullable=False),
    Column("kind", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_time", DateTime(timezone=True), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
    ForeignKeyConstraint(
        ["tenant_id", "user_id"], ["user.tenant_id", "user.id"], name="fk_mail_tenant_id_user_id"
    ),
    Index("ix_mail_next_time", "next_time"),
    Index("ix_mail_user_id", "tenant_id", "user_id"),
)

password_reset = Table(
    "password_reset",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("token_hash", Text, nullable=False),
    Column("user_id", UUID(as_uuid=False), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id", "token_hash"),
    ForeignKeyConstraint(
        ["tenant_id", "user_id"],
        ["user.tenant_id", "user.id"],
        name="fk_password_reset_tenant_id_user_id",
    ),
    Index("uq_password_reset_token_hash", "token_hash", unique=True),
    Index("ix_password_reset_user_id", "tenant_id", "user_id"),
    Index("ix_password_reset_expire_time", "expire_time"),
)
