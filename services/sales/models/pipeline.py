"""Pipelines: sales processes, one of them the default."""

from sqlalchemy import Boolean, Column, Index, Table, Text, text

from chassis.db.indexes import list_indexes
from chassis.db.schema import resource_columns, resource_constraints
from chassis.search.table import search_table
from services.sales.models import metadata

pipeline = Table(
    "pipeline",
    metadata,
    *resource_columns(owned=False),
    Column("name", Text, nullable=False),
    Column("is_default", Boolean, nullable=False),
    *resource_constraints("pipeline"),
    Index(
        "uq_pipeline_default",
        "tenant_id",
        unique=True,
        postgresql_where=text("is_default AND delete_time IS NULL"),
    ),
    Index(
        "uq_pipeline_name",
        "tenant_id",
        text("lower(name)"),
        unique=True,
        postgresql_where=text("delete_time IS NULL"),
    ),
)
list_indexes(pipeline, orderable=("name",), filterable=("is_default",))
search_table(pipeline)
