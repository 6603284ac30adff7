"""Opportunities; the foreign key to the stage keeps state and pipeline as the stage has them."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Numeric,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import UUID

from chassis.db.indexes import list_indexes
from chassis.db.schema import resource_columns, resource_constraints
from chassis.search.table import search_table
from services.sales.models import metadata

opportunity = Table(
    "opportunity",
    metadata,
    *resource_columns(owned=True),
    Column("name", Text, nullable=False),
    Column("customer_id", UUID(as_uuid=False)),
    Column("product_id", UUID(as_uuid=False)),
    Column("pipeline_id", UUID(as_uuid=False), nullable=False),
    Column("stage_id", UUID(as_uuid=False), nullable=False),
    Column("amount", Numeric),
    Column("amount_currency", Text),
    Column("campaign_id", UUID(as_uuid=False)),
    Column("expected_close_date", Date),
    Column("state", Text, nullable=False),
    Column("engage_date", Date),
    Column("close_date", Date),
    Column("lost_reason", Text),
    # No check holds it to lost ones: the version before knows nothing of it when it reopens.
    Column("lost_reason_id", UUID(as_uuid=False)),
    Column("description", Text),
    *resource_constraints("opportunity"),
    CheckConstraint("state <> 'OPEN' OR close_date IS NULL", name="close_date"),
    CheckConstraint("state = 'LOST' OR lost_reason IS NULL", name="lost_reason"),
    ForeignKeyConstraint(
        ["tenant_id", "product_id"],
        ["product.tenant_id", "product.id"],
        name="fk_opportunity_tenant_id_product_id",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "pipeline_id"],
        ["pipeline.tenant_id", "pipeline.id"],
        name="fk_opportunity_tenant_id_pipeline_id",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "stage_id", "pipeline_id", "state"],
        ["stage.tenant_id", "stage.id", "stage.pipeline_id", "stage.outcome"],
        name="fk_opportunity_tenant_id_stage_id",
    ),
)
list_indexes(
    opportunity,
    orderable=(
        "name",
        "amount",
        "expected_close_date",
        "close_date",
    ),
    filterable=(
        "customer_id",
        "product_id",
        "pipeline_id",
        "stage_id",
        "campaign_id",
        "state",
        "engage_date",
        "lost_reason_id",
    ),
    # An open one has no close date.
    together=[("state", "close_date")],
    held=("state",),
)
search_table(opportunity)
