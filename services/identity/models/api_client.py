"""API clients, their secrets, and the tokens that they have got."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from chassis.db.indexes import list_indexes
from chassis.db.schema import resource_columns, resource_constraints
from chassis.search.table import search_table
from services.identity.models import metadata

api_client = Table(
    "api_client",
    metadata,
    *resource_columns(owned=True),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("state", Text, nullable=False),
    Column("role_ids", ARRAY(UUID(as_uuid=False)), nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    # What callers see of the secrets; the hashes are apart.
    Column("secrets", JSONB, nullable=False),
    *resource_constraints("api_client"),
    CheckConstraint("state IN ('ACTIVE','DISABLED')", name="state"),
    ForeignKeyConstraint(
        ["tenant_id", "owner_id"],
        ["user.tenant_id", "user.id"],
        name="fk_api_client_tenant_id_owner_id",
    ),
)
list_indexes(api_client, orderable=("name",), filterable=("state",))
search_table(api_client)

api_client_secret = Table(
    "api_client_secret",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("id", UUID(as_uuid=False), nullable=False),
    Column("client_id", UUID(as_uuid=False), nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("expire_time", DateTime(timezone=True)),
    Column("last_used_time", DateTime(timezone=True)),
    PrimaryKeyConstraint("tenant_id", "id"),
    ForeignKeyConstraint(
        ["tenant_id", "client_id"],
        ["api_client.tenant_id", "api_client.id"],
        name="fk_api_client_secret_tenant_id_client_id",
        ondelete="CASCADE",
    ),
    Index("uq_api_client_secret_secret_hash", "secret_hash", unique=True),
    Index("ix_api_client_secret_client_id", "tenant_id", "client_id"),
)

client_token = Table(
    "client_token",
    metadata,
    Column("tenant_id", UUID(as_uuid=False), nullable=False),
    Column("id", UUID(as_uuid=False), nullable=False),
    Column("client_id", UUID(as_uuid=False), nullable=False),
    Column("secret_id", UUID(as_uuid=False), nullable=False),
    Column("access_hash", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
    # A secret that is removed takes its tokens along.
    ForeignKeyConstraint(
        ["tenant_id", "secret_id"],
        ["api_client_secret.tenant_id", "api_client_secret.id"],
        name="fk_client_token_tenant_id_secret_id",
        ondelete="CASCADE",
    ),
    Index("uq_client_token_access_hash", "access_hash", unique=True),
    Index("ix_client_token_client_id", "tenant_id", "client_id", "expire_time"),
    Index("ix_client_token_secret_id", "tenant_id", "secret_id"),
)
