"""Opportunities as reports see them: every field that filters may name, as of `version`."""

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import Text

from chassis.access.place import GRANTEES
from services.reporting.models import metadata

UUIDS = (
    "owner_id", "department_id", "partner_company_id", "customer_id", "product_id", "pipeline_id",
    "stage_id", "campaign_id", "lost_reason_id", "creator_id", "updater_id",
)  # fmt: skip
TEXTS = ("name", "state", "lost_reason", "external_source", "external_id")
DATES = ("expected_close_date", "engage_date", "close_date")
TIMES = ("create_time", "update_time", "delete_time")


def _columns() -> Sequence[SchemaItem]:
    """All but key and version are nullable: of a purged opportunity nothing else is kept."""
    return [
        Column("tenant_id", UUID(as_uuid=False), nullable=False),
        Column("id", UUID(as_uuid=False), nullable=False),
        Column("version", BigInteger, nullable=False),
        *[Column(name, UUID(as_uuid=False)) for name in UUIDS],
        *[Column(name, Text) for name in TEXTS],
        Column("amount", Numeric),
        Column("amount_currency", Text),
        *[Column(name, Date) for name in DATES],
        *[Column(name, DateTime(timezone=True)) for name in TIMES],
        # With whom the opportunity is shared; NULL for nobody.
        Column(GRANTEES, ARRAY(UUID(as_uuid=False))),
    ]


opportunity_fact = Table(
    "opportunity_fact",
    metadata,
    *_columns(),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index("ix_opportunity_fact_owner_id", "tenant_id", "owner_id"),
    Index("ix_opportunity_fact_department_id", "tenant_id", "department_id"),
    Index("ix_opportunity_fact_partner_company_id", "tenant_id", "partner_company_id"),
    Index("ix_opportunity_fact_customer_id", "tenant_id", "customer_id"),
    Index("ix_opportunity_fact_campaign_id", "tenant_id", "campaign_id"),
    Index("ix_opportunity_fact_close_date", "tenant_id", "close_date"),
    Index("ix_opportunity_fact_expected_close_date", "tenant_id", "expected_close_date"),
    Index(
        "ix_opportunity_fact_grantee_ids",
        *("tenant_id", "grantee_ids"),
        postgresql_using="gin",
        postgresql_where=text("grantee_ids IS NOT NULL"),
    ),
)
# The same as a rebuild makes them anew, beside those that reports read; empty but for that time.
rebuilt_fact = Table("rebuilt_fact", metadata, *_columns(), PrimaryKeyConstraint("tenant_id", "id"))
