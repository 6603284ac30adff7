"""Campaigns with their goal, budget and dates."""

from sqlalchemy import CheckConstraint, Column, Date, Numeric, Table, Text

from chassis.db.indexes import list_indexes
from chassis.db.schema import resource_columns, resource_constraints
from chassis.search.table import search_table
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
)
list_indexes(
    campaign,
    orderable=(
        "name",
        "budget",
        "start_date",
        "end_date",
    ),
)
search_table(campaign)
