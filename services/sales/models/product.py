"""Products: what is sold."""

from sqlalchemy import Column, Index, Numeric, Table, Text, text

from chassis.db.indexes import list_indexes
from chassis.db.schema import resource_columns, resource_constraints
from chassis.search.table import search_table
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
)
list_indexes(
    product,
    orderable=(
        "name",
        "list_price",
    ),
    filterable=(
        "code",
        "series",
    ),
)
search_table(product)
