"""The table beside a resource's that is searched: the tokens of a record and its texts."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

SUFFIX = "_search"
# New rows wait in a short list: a write costs a third and a search reads at most 64 KiB more.
_PENDING = {"fastupdate": "on", "gin_pending_list_limit": "64"}


def search_table(of: Table) -> Table:
    """Declare the table in which records of `of` are searched."""
    name = of.name + SUFFIX
    return Table(
        name,
        of.metadata,
        Column("tenant_id", UUID(as_uuid=False), nullable=False),
        Column("id", UUID(as_uuid=False), nullable=False),
        Column("tokens", ARRAY(Integer), nullable=False),
        Column("texts", JSONB, nullable=False),
        PrimaryKeyConstraint("tenant_id", "id"),
        Index(f"ix_{name}_tokens", "tokens", postgresql_using="gin", postgresql_with=_PENDING),
    )
