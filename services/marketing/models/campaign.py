"""Campaigns with their goal, budget and dates."""

from sqlalchemy import CheckConstraint, Column, Date, Index, Numeric, Table, Text

from chassis.db.schema import resource_columns, resource_constraints
from services.marketing.models import metadata

campaign = Table(
    "campaign",
    metadata,
    *resource_columns(owned=True),
    Column("name", Text, nullable=False),
    Column("goal", Text),
    Column("budget", Numeric),
    Column("budget_currency", Text),
    Column("start_date", Date),
    Column("end_date", Date),
    Column("description", Text),
    *resource_constraints("campaign"),
    CheckConstraint("end_date >= start_date", name="end_date"),
    Index("ix_campaign_name", "tenant_id", "name", "id"),
    Index("ix_campaign_owner_id", "tenant_id", "owner_id", "id"),
    Index("ix_campaign_department_id", "tenant_id", "department_id", "id"),
    Index("ix_campaign_budget", "tenant_id", "budget", "id"),
    Index("ix_campaign_start_date", "tenant_id", "start_date", "id"),
    Index("ix_campaign_end_date", "tenant_id", "end_date", "id"),
    Index("ix_campaign_create_time", "tenant_id", "create_time", "id"),
    Index("ix_campaign_update_time", "tenant_id", "update_time", "id"),
)
# A plain index read backwards has its NULLs first, and lists have them last both ways.
for _column in (campaign.c.budget, campaign.c.start_date, campaign.c.end_date):
    Index(
        f"ix_campaign_{_column.name}_desc",
        campaign.c.tenant_id,
        _column.desc().nulls_last(),
        campaign.c.id.desc(),
    )
