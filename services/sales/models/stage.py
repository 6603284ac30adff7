"""Stages: the steps of pipelines; at most one of each pipeline is for won and one for lost."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from chassis.db.indexes import list_indexes
from chassis.db.schema import resource_columns, resource_constraints
from chassis.search.table import search_table
from services.sales.models import metadata

stage = Table(
    "stage",
    metadata,
    *resource_columns(owned=False),
    Column("pipeline_id", UUID(as_uuid=False), nullable=False),
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("probability_percent", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    *resource_constraints("stage"),
    CheckConstraint("outcome IN ('OPEN','WON','LOST')", name="outcome"),
    ForeignKeyConstraint(
        ["tenant_id", "pipeline_id"],
        ["pipeline.tenant_id", "pipeline.id"],
        name="fk_stage_tenant_id_pipeline_id",
    ),
    # What an opportunity's foreign key points to, so that its state cannot part from its stage.
    UniqueConstraint("tenant_id", "id", "pipeline_id", "outcome", name="uq_stage_state"),
    Index(
        "uq_stage_name",
        "tenant_id",
        "pipeline_id",
        text("lower(name)"),
        unique=True,
        postgresql_where=text("delete_time IS NULL"),
    ),
    Index(
        "uq_stage_outcome",
        "tenant_id",
        "pipeline_id",
        "outcome",
        unique=True,
        postgresql_where=text("outcome <> 'OPEN' AND delete_time IS NULL"),
    ),
)
list_indexes(
    stage,
    orderable=(
        "name",
        "position",
    ),
    filterable=(
        "pipeline_id",
        "outcome",
    ),
)
search_table(stage)
