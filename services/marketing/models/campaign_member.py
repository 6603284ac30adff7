"""Members of campaigns: customers, contacts, or a contact on behalf of a customer."""

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID

from chassis.db.indexes import list_indexes
from chassis.db.schema import resource_columns, resource_constraints
from chassis.search.table import search_table
from services.marketing.models import metadata

campaign_member = Table(
    "campaign_member",
    metadata,
    *resource_columns(owned=False),
    Column("campaign_id", UUID(as_uuid=False), nullable=False),
    Column("customer_id", UUID(as_uuid=False)),
    Column("contact_id", UUID(as_uuid=False)),
    Column("response", Text, nullable=False),
    *resource_constraints("campaign_member"),
    CheckConstraint("response IN ('TARGETED','RESPONDED','DECLINED')", name="response"),
    CheckConstraint("num_nonnulls(customer_id, contact_id) >= 1", name="somebody"),
    ForeignKeyConstraint(
        ["tenant_id", "campaign_id"],
        ["campaign.tenant_id", "campaign.id"],
        name="fk_campaign_member_tenant_id_campaign_id",
    ),
    Index(
        "uq_campaign_member_somebody",
        "tenant_id",
        "campaign_id",
        "customer_id",
        "contact_id",
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=text("delete_time IS NULL"),
    ),
)
list_indexes(
    campaign_member,
    filterable=(
        "campaign_id",
        "customer_id",
        "contact_id",
        "response",
    ),
)
search_table(campaign_member)
