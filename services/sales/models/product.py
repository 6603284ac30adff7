"""Products: what is sold."""

from sqlalchemy import Column, Index, Numeric, Table, Text, text

from chassis.db.schema import resource_columns, resource_constraints
from services.sales.models import metadata

product = Table(
    "product",
    metadata,
    *resource_columns(owned=False),
    Column("name", Text, nullable=False),
    Column("code", Text),
    Column("series", Text),
    Column("list_price", Numeric),
    Column("list_price_currency", Text),
    Column("description", Text),
    *resource_constraints("product"),
    Index(
        "uq_product_code",
        "tenant_id",
        text("lower(code)"),
        unique=True,
        postgresql_where=text("code IS NOT NULL AND delete_time IS NULL"),
    ),
    Index("ix_product_name", "tenant_id", "name", "id"),
    Index("ix_product_code", "tenant_id", "code", "id"),
    Index("ix_product_series", "tenant_id", "series", "id"),
    Index("ix_product_list_price", "tenant_id", "list_price", "id"),
    Index("ix_product_create_time", "tenant_id", "create_time", "id"),
    Index("ix_product_update_time", "tenant_id", "update_time", "id"),
)
# A plain index read backwards has its NULLs first, and lists have them last both ways.
Index(
    "ix_product_list_price_desc",
    product.c.tenant_id,
    product.c.list_price.desc().nulls_last(),
    product.c.id.desc(),
)
