"""Users, their credentials and the sessions they have open."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
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

_LIVING = text("delete_time IS NULL")

user = Table(
    "user",
    metadata,
    *resource_columns(owned=False),
    Column("name", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("email", Text),
    Column("department_id", UUID(as_uuid=False)),
    Column("manager_id", UUID(as_uuid=False)),
    Column("role_ids", ARRAY(UUID(as_uuid=False)), nullable=False),
    Column("state", Text, nullable=False),
    Column("password_change_required", Boolean, nullable=False, server_default="false"),
    Column("password_update_time", DateTime(timezone=True)),
    Column("second_factor_enabled", Boolean, nullable=False, server_default="false"),
    *resource_constraints("user"),
    CheckConstraint("state IN ('ACTIVE','DISABLED')", name="state"),
    ForeignKeyConstraint(
        ["tenant_id", "department_id"],
        ["department.tenant_id", "department.id"],
        name="fk_user_tenant_id_department_id",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "manager_id"],
        ["user.tenant_id", "user.id"],
        name="fk_user_tenant_id_manager_id",
    ),
    Index(
        "uq_user_login", "tenant_id", text("lower(login)"), unique=True, postgresql_where=_LIVING
    ),
    Index(
        "uq_user_email", "tenant_id", text("lower(email)"), unique=True, postgresql_where=_LIVING
    ),
    Index("ix_user_sign_in_login", text("lower(login)"), postgresql_where=_LIVING),
    Index("ix_user_sign_in_email", text("lower(email)"), postgresql_where=_LIVING),
)
list_indexes(
    user,
    orderable=(
        "name",
        "login",
    ),
    filterable=(
        "email",
        "manager_id",
        "state",
    ),
)
search_table(user)

credential = Table(
    "credential",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("user_id", UUID(as_uuid=False), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
    # When a one-time password stops to be good.
    Column("expire_time", DateTime(timezone=True)),
    PrimaryKeyConstraint("tenant_id", "user_id"),
    ForeignKeyConstraint(
        ["tenant_id", "user_id"],
        ["user.tenant_id", "user.id"],
        name="fk_credential_tenant_id_user_id",
        ondelete="CASCADE",
    ),
)

session = Table(
    "session",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("id", UUID(as_uuid=False), nullable=False),
    Column("user_id", UUID(as_uuid=False), nullable=False),
    Column("access_hash", Text, nullable=False),
    Column("refresh_hash", Text, nullable=False),
    # All refresh tokens of a session share one part, so that any used one is known as used.
    Column("family_hash", Text, nullable=False),
    Column("access_expire_time", DateTime(timezone=True), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    Column("revoke_time", DateTime(timezone=True)),
    # When a request came with it, to the minute.
    Column("last_seen_time", DateTime(timezone=True)),
    Column("address", Text, nullable=False, server_default=""),
    Column("user_agent", Text, nullable=False, server_default=""),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
    ForeignKeyConstraint(
        ["tenant_id", "user_id"],
        ["user.tenant_id", "user.id"],
        name="fk_session_tenant_id_user_id",
        ondelete="CASCADE",
    ),
    Index("uq_session_access_hash", "access_hash", unique=True),
    Index("uq_session_family_hash", "family_hash", unique=True),
    Index("ix_session_user_id", "tenant_id", "user_id"),
    Index("ix_session_expire_time", "expire_time"),
    Index("ix_session_last_seen_time", "tenant_id", "last_seen_time"),
)
