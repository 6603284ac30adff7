"""Campaigns."""

from google.protobuf.message import Message

from chassis.call import Call
from chassis.db.pool import Tx
from chassis.resource.resource import Child, Reference, Resource, Row
from crm.marketing.v1.campaign_pb2 import Campaign
from services.marketing.domain.campaign import check_dates
from services.marketing.models.campaign import campaign
from services.marketing.models.campaign_member import campaign_member


async def prepare_create(_call: Call, _tx: Tx, row: Row, _message: Message) -> None:
    """The dates must be in order."""
    check_dates(row["start_date"], row["end_date"])


async def prepare_update(_call: Call, _tx: Tx, before: Row, row: Row, _message: Message) -> None:
    """The dates must be in order, those that stay included."""
    after = before | row
    check_dates(after["start_date"], after["end_date"])


CAMPAIGN = Resource(
    message=Campaign,
    table=campaign,
    filterable=("name", "budget", "start_date", "end_date"),
    orderable=("name", "budget", "start_date", "end_date"),
    searchable=("name",),
    references=(Reference("owner_id", "users", "identity"),),
    children=(Child(campaign_member, "campaign_id", dependent=True),),
    prepare_create=prepare_create,
    prepare_update=prepare_update,
)
